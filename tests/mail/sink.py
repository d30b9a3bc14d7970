"""A mail server on loopback that keeps what it is given, or behaves as badly as a test asks."""

from __future__ import annotations

import base64
import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from apps.configuration import services as configuration
from tests import make


@dataclass
class Behaviour:
    """What the server does: ``answers`` replaces its answer to a command; it hangs at one, or drops the line."""

    answers: dict[str, str] = field(default_factory=dict)
    hangs_at: str = ""
    drops_at: str = ""
    user: str = ""
    password: str = ""


class Sink(socketserver.ThreadingTCPServer):
    """Takes mail."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.behaviour = behaviour
        self.taken: list[bytes] = []
        self.recipients: list[str] = []
        self.released = threading.Event()

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=policy.default) for raw in self.taken]


class _Talk(socketserver.StreamRequestHandler):
    server: Sink

    def handle(self) -> None:
        self.say("220 sink")
        while line := self.rfile.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            verb = verb.upper()
            if verb == self.server.behaviour.hangs_at:
                self.server.released.wait(30)
                return
            if verb == self.server.behaviour.drops_at:
                return
            if not self.answer(verb, rest):
                return

    def answer(self, verb: str, rest: str) -> bool:
        if verb in self.server.behaviour.answers:
            self.say(self.server.behaviour.answers[verb])
        elif verb == "EHLO":
            self.say("250-sink", "250 AUTH PLAIN LOGIN" if self.server.behaviour.user else "250 8BITMIME")
        elif verb == "AUTH":
            self.say("235 welcome" if self.knows(rest) else f"535 wrong: {rest}")
        elif verb == "DATA":
            self.say("354 go on")
            self.take()
        else:
            if verb == "RCPT":
                self.server.recipients.append(rest)
            self.say("221 bye" if verb == "QUIT" else "250 fine")
        return verb != "QUIT"

    def knows(self, rest: str) -> bool:
        wanted = f"\0{self.server.behaviour.user}\0{self.server.behaviour.password}"
        return rest == f"PLAIN {base64.b64encode(wanted.encode()).decode()}"

    def take(self) -> None:
        raw = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            raw += line[1:] if line.startswith(b"..") else line
        if "." in self.server.behaviour.answers:
            self.say(self.server.behaviour.answers["."])
            return
        self.server.taken.append(raw)
        if self.server.behaviour.drops_at != ".":
            self.say("250 taken")

    def say(self, *lines: str) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@contextlib.contextmanager
def running(**behaviour: Any) -> Iterator[Sink]:
    """Run a server, and have the installation's mail leave by it."""
    with Sink(Behaviour(**behaviour)) as sink:
        thread = threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            settle(smtp_port=sink.port)
            yield sink
        finally:
            sink.released.set()
            sink.shutdown()
            thread.join()


def settle(**values: object) -> None:
    """Set how mail leaves."""
    usual = {"enabled": True, "smtp_host": "127.0.0.1", "from_address": "BV <robots@example.com>"}
    configuration.change_settings("email", actor=make.SYSTEM, values={**usual, **values})
