"""The process that keeps several robots of one machine: starts them, starts them again, and ends with them.

Each robot is a listener process of its own. It learns what it is to be from the first line of its standard input; each
further line is a level of urgency at which it is to end. The end of that input means that its keeper was killed. It
then ends at once, as if killed as well: its jobs run on, and whoever runs it next takes them over.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import FrameType
from typing import IO

from bv_robot import config, enrolling, itself, listener, orders, platforms, spool, telling
from bv_robot.client import Backoff
from bv_robot.config import ConfigError, Home
from bv_robot.spool import HomeLock

log = logging.getLogger("bv_robot")

TICK = 0.1
WELL_AFTER = 60.0
"""Seconds after which a robot counts as started well, so that its next start is not held back."""
LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class Request:
    """What a kept robot is told when it starts. The key goes no other way, so nobody else can see it."""

    flags: dict[str, str]
    key: str | None
    log_level: str
    is_until_idle: bool = False
    urgency: int = 0


class Kept:
    """One of the robots, and the process of its listener while it has one."""

    def __init__(self, home: Home, request: Request) -> None:
        self.home, self.name, self._request = home, home.root.name, request
        self.has_ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff = Backoff(cap=LONGEST_PAUSE)
        self._started_at = self._not_before = float("-inf")

    @property
    def state(self) -> str:
        """``running``, ``waiting`` to be started again, or ``ended`` in good order."""
        return "ended" if self.has_ended else "running" if self._process else "waiting"

    def look(self, urgency: int) -> None:
        """Take note of an end, and start what is to run."""
        if self._process is not None and (code := self._process.poll()) is not None:
            self._take_note_of_end(code, urgency)
        if self._process is None and not self.has_ended and (urgency or platforms.steady() >= self._not_before):
            self._start(urgency)

    def _take_note_of_end(self, code: int, urgency: int) -> None:
        self._let_go()
        if code == 0 or urgency:
            # One that ended well was asked to, or had nothing left to do.
            self.has_ended = True
            log.log(logging.WARNING if code else logging.INFO, "Robot %s has ended (exit code %s)", self.name, code)
            return
        if platforms.steady() - self._started_at >= WELL_AFTER:
            self._backoff.reset()
        pause = self._backoff.pause()
        self._not_before = platforms.steady() + pause
        log.error("Robot %s died (exit code %s); it is started again in %.1f s", self.name, code, pause)

    def _let_go(self) -> None:
        if self._process and self._process.stdin:
            try:
                self._process.stdin.close()
            except OSError:  # What was still to be written goes nowhere.
                log.debug("Robot %s ended before it had read everything", self.name)
        self._process = None

    def _start(self, urgency: int) -> None:
        self._started_at = platforms.steady()
        try:
            self._process = subprocess.Popen(
                itself.command("member", "--home", str(self.home.root)),
                stdin=subprocess.PIPE,
                env=itself.environment(os.environ),
                **platforms.apart(),
            )
        except OSError as error:
            self._not_before = self._started_at + self._backoff.pause()
            log.error("Robot %s cannot be started, which is tried again: %s", self.name, error)
            return
        log.info("Robot %s starts as process %s", self.name, self._process.pid)
        self._tell(json.dumps(asdict(self._request) | {"urgency": urgency}))

    def ask(self, urgency: int) -> None:
        """Pass on that it is to end."""
        if self._process is not None:
            self._tell(str(urgency))

    def _tell(self, line: str) -> None:
        try:
            if self._process and self._process.stdin:
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()
        except OSError:  # It has just died; the next look finds out.
            log.debug("Robot %s does not listen", self.name)


class Keeper:
    """Keeps the robots until each has ended in good order. The caller has enrolled them."""

    def __init__(self, home: Home, robots: Sequence[Kept]) -> None:
        self._home, self._robots = home, robots
        self._signals = self._urgency = 0
        self._noted: dict[str, str] = {}

    def run(self) -> None:
        """Work until every robot has ended."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        for number in platforms.STOP_SIGNALS:
            if number != signal.SIGTERM and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_interrupt)
        while not all(robot.has_ended for robot in self._robots):
            self._heed_signals()
            for robot in self._robots:
                robot.look(self._urgency)
            self._note()
            time.sleep(TICK)

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self._signals += 2

    def _heed_signals(self) -> None:
        urgency = min(self._signals, orders.AT_ONCE)
        if urgency <= self._urgency:
            return
        self._urgency = urgency
        log.info("Passed on to every robot: %s", "drain" if urgency == orders.DRAIN else "stop now")
        for robot in self._robots:
            robot.ask(urgency)

    def _note(self) -> None:
        """Leave a note for the commands that look at several robots."""
        states = {robot.name: robot.state for robot in self._robots}
        if states == self._noted:
            return
        try:
            spool.write_note(self._home.several_file, {"pid": os.getpid(), "robots": states})
            self._noted = states
        except OSError as error:
            log.error("The note of the robots cannot be written: %s", error)


def keep(home: Home, names: Sequence[str], request: Request) -> None:
    """Run several robots below a home until each has ended.

    Raises:
        AlreadyRunning: when they run already.
        ConfigError: when one is not enrolled and there is no key for it.
        Refusal: when the orchestrator does not take one.
    """
    HomeLock(home.several_lock_file).take()
    listener.control_groups()  # Before any robot is there: a group that has members cannot be divided.
    spool.write_note(home.several_file, {"pid": os.getpid(), "robots": dict.fromkeys(names, "waiting")})
    members = [prepared(home, name) for name in names]
    enrolled = [each for each in members if enrolling.identity_for(each, settings_of(each, request), request.key)]
    if len(enrolled) == len(members):
        home.key_file.unlink(missing_ok=True)
    Keeper(home, [Kept(member, request) for member in enrolled]).run()


def prepared(home: Home, name: str) -> Home:
    """The home of one of several robots, with its directories."""
    if not home.several_file.exists():
        spool.write_note(home.several_file, {})
    member = home.member(name)
    member.make()
    return member


def settings_of(member: Home, request: Request) -> config.Config:
    """The settings of one of several robots: its home is its name."""
    return config.load(member, os.environ, **request.flags | {"name": member.root.name})


# The other end


def serve(home: Home) -> None:
    """Be one of several robots, as the keeper at the other end of standard input wishes.

    Raises:
        AlreadyRunning: when it runs already.
        ConfigError: when nobody keeps it, or it is not enrolled.
    """
    request = _read_request(sys.stdin)
    telling.set_up_logging(request.log_level, robot=home.root.name)
    leash = Leash(sys.stdin, request.urgency)
    leash.start()
    HomeLock(home.lock_file).take()
    settings, identity = settings_of(home, request), config.read_identity(home)
    if identity is None:
        raise ConfigError(f"Robot {home.root.name} is not enrolled")
    listener.listen(
        home, settings, identity, key=request.key, is_until_idle=request.is_until_idle, asked=lambda: leash.urgency
    )


def _read_request(stream: IO[str]) -> Request:
    try:
        return Request(**json.loads(stream.readline()))
    except (ValueError, TypeError) as error:
        raise ConfigError("This command is for `bv-robot run` to use; start robots by: bv-robot run") from error


class Leash(threading.Thread):
    """Hears from the keeper. When that is gone, so is this process: a listener may be killed at any time."""

    def __init__(self, stream: IO[str], urgency: int) -> None:
        super().__init__(name="leash", daemon=True)
        self._stream, self.urgency = stream, urgency

    def run(self) -> None:
        for line in self._stream:
            self.urgency = max(self.urgency, int(line))
        log.error(
            "The process that keeps this robot is gone, so this one ends too. Its jobs run on until they are over."
        )
        os._exit(1)
