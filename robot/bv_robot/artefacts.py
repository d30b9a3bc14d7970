"""The loop of one execution's artefacts: brings the files that a job left to the server, and forgets them there.

A file is owed as long as its description lies in the channel, ``artefacts/<n>.json`` beside ``<n>.data``; so nothing
else has to be remembered over a restart. What the server refuses for good becomes ``<n>.refused`` and stays until the
record goes.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bv_robot import api, client, logs, platforms, spool
from bv_robot.spool import ExecutionFiles

if TYPE_CHECKING:
    from bv_robot.desk import Desk

log = logging.getLogger("bv_robot")

LOOK_EVERY = 1.0
"""Seconds between two looks at what a running job has left."""
LIMIT_KNOWN_FOR = 3600.0
"""Seconds for which a limit that the server named is believed; it may be raised."""
PATIENCE = 2.0
"""Seconds for which the result of a job lets a file go first that is just on its way."""
TRIES_IF_CHANGED = 3
"""How often a file is sent that the server says arrived changed."""
BLOCK = 1024 * 1024
SHA256 = re.compile("[0-9a-f]{64}")


class Damaged(Exception):
    """A file is not what the job left."""


@dataclass(frozen=True)
class Artefact:
    """One file that is owed, and what the job said about it."""

    description: Path
    name: str
    content_type: str
    size: int
    sha256: str

    @property
    def data(self) -> Path:
        return self.description.with_suffix(".data")

    def forget(self) -> None:
        """The server has it. The description goes first: without it nothing is owed."""
        self.description.unlink()
        self.data.unlink(missing_ok=True)

    def refuse(self) -> None:
        """The server will never take it."""
        self.description.rename(self.description.with_suffix(".refused"))

    def checked(self) -> BinaryIO:
        """Open the file at its beginning. Raises Damaged where it is not what was described."""
        try:
            file = self.data.open("rb")
        except FileNotFoundError as error:
            raise Damaged("its file is missing") from error
        digest, size = hashlib.sha256(), 0
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
        file.seek(0)
        if (size, digest.hexdigest()) == (self.size, self.sha256):
            return file
        file.close()
        raise Damaged(f"its {size} bytes are not the {self.size} that the job left")


def owed(files: ExecutionFiles) -> list[Path]:
    """The descriptions of what was not delivered yet, the oldest first."""
    found = (path for path in files.artefacts.glob("*.json") if path.stem.isdigit())
    return sorted(found, key=lambda path: int(path.stem))


def described(description: Path) -> Artefact:
    """Read a description. Raises Damaged where it is none."""
    told = spool.read_note(description)
    kinds = {"name": str, "content_type": str, "size": int, "sha256": str}
    if not all(isinstance(told.get(name), kind) for name, kind in kinds.items()):
        raise Damaged("its description cannot be read")
    if not (told["content_type"].isascii() and told["content_type"].isprintable()):
        told["content_type"] = "application/octet-stream"
    if not SHA256.fullmatch(told["sha256"]) or logs.clean(told["name"]) != told["name"]:
        raise Damaged("its description makes no sense")
    return Artefact(description, **{name: told[name] for name in kinds})


def size_of(description: Path) -> int:
    """The bytes of a file as it was described; 0 where that makes no sense."""
    size = spool.read_note(description).get("size")
    return size if isinstance(size, int) else 0


@dataclass
class Limit:
    """The largest file the server takes, as far as it ever said so. Shared by all executions of a robot."""

    size: int | None = None
    named_at: float = 0.0

    def forbids(self, size: int) -> bool:
        """Say whether the server would only refuse a file of so many bytes."""
        is_believed = platforms.steady() - self.named_at < LIMIT_KNOWN_FOR
        return self.size is not None and is_believed and size > self.size

    def learn(self, refusal: client.Refusal) -> None:
        """Remember what the server said, if it did."""
        size = refusal.body.get("limit")
        if isinstance(size, int) and size > 0:
            self.size, self.named_at = size, platforms.steady()


class Artefacts:
    """The files that one execution leaves, on their way."""

    def __init__(self, desk: Desk, lease_id: str, files: ExecutionFiles) -> None:
        self._desk, self._lease_id, self._files = desk, lease_id, files
        self._sending, self._end = threading.Lock(), threading.Event()
        self._changed: dict[str, int] = {}
        self._untold: list[str] = []

    def start(self) -> None:
        """Send what appears until ``end`` is called."""
        threading.Thread(target=self._run, name=f"artefacts of {self._lease_id}", daemon=True).start()

    def end(self) -> None:
        self._end.set()

    def _run(self) -> None:
        backoff = client.Backoff()
        pause = LOOK_EVERY
        while not self._end.wait(pause):
            try:
                self.send()
                backoff.reset()
                pause = LOOK_EVERY
            except (client.Trouble, OSError) as trouble:
                pause = max(LOOK_EVERY, backoff.pause(trouble if isinstance(trouble, client.Trouble) else None))

    def deliver(self) -> None:
        """Send everything, however long that takes, until the process ends."""
        backoff = client.Backoff()
        while owed(self._files) and not self._desk.ended.is_set():
            try:
                self.send()
            except (client.Trouble, OSError) as trouble:
                log.warning("The artefacts of lease %s wait: %s", self._lease_id, trouble)
                self._desk.ended.wait(backoff.pause(trouble if isinstance(trouble, client.Trouble) else None))

    def send_small(self, most_bytes: int) -> None:
        """Send what fits into so many bytes, once, and refuse what is known to be refused. Trouble waits for later."""
        try:
            for description in owed(self._files):
                size = size_of(description)
                if self._desk.artefact_limit.forbids(size):
                    size = 0  # Refusing takes no time.
                if size <= most_bytes:
                    most_bytes -= size
                    self._send(description, patience=PATIENCE)
        except (client.Trouble, OSError):
            return

    def send(self) -> None:
        """Send all there is.

        Raises:
            Trouble: when the connection fails; what was sent is forgotten.
        """
        for description in owed(self._files):
            self._send(description)

    def untold(self) -> list[str]:
        """Take what the job's log should say about refusals."""
        told, self._untold = self._untold, []
        return told

    def _send(self, description: Path, *, patience: float = -1) -> None:
        """Send one file, after another that is just on its way; give up where that takes longer than ``patience``."""
        if not self._sending.acquire(timeout=patience):
            return
        try:
            if description.exists():
                self._send_alone(description)
        finally:
            self._sending.release()

    def _send_alone(self, description: Path) -> None:
        try:
            artefact = described(description)
            if self._desk.artefact_limit.forbids(artefact.size):
                self._refuse(
                    artefact, f"it has {artefact.size} bytes, and {self._desk.artefact_limit.size} are allowed"
                )
                return
            with artefact.checked() as file:
                self._offer(artefact, file)
        except Damaged as damage:
            self._put_aside(description, str(damage))

    def _offer(self, artefact: Artefact, file: BinaryIO) -> None:
        try:
            api.send_artefact(self._desk.http, self._lease_id, artefact, file)
        except (client.NotSignedIn, client.Forbidden):
            raise
        except client.Refusal as refusal:
            self._after_refusal(artefact, refusal)
        else:
            artefact.forget()
            log.info("The artefact %s of lease %s is stored", artefact.name, self._lease_id)

    def _after_refusal(self, artefact: Artefact, refusal: client.Refusal) -> None:
        if refusal.code == "bad_sha256":
            self._changed[artefact.sha256] = self._changed.get(artefact.sha256, 0) + 1
            if self._changed[artefact.sha256] >= TRIES_IF_CHANGED:
                raise Damaged(f"it never arrives as it was sent: {refusal}") from refusal
            raise client.Unreachable("the bytes of an artefact were changed on their way") from refusal
        if refusal.status == 413:
            self._desk.artefact_limit.learn(refusal)
        self._refuse(artefact, str(refusal))

    def _refuse(self, artefact: Artefact, why: str) -> None:
        artefact.refuse()
        self._untold.append(f"The artefact {artefact.name} was not stored: {why}")
        log.warning("The artefact %s of lease %s was not stored: %s", artefact.name, self._lease_id, why)

    def _put_aside(self, description: Path, why: str) -> None:
        place = self._desk.spool.set_artefact_aside(self._files, description, why)
        self._untold.append(f"The artefact {description.stem} is damaged and was not stored: {why}")
        log.error("An artefact of lease %s goes into quarantine at %s: %s", self._lease_id, place, why)
