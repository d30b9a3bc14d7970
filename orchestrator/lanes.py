"""The lanes of a worker: for each queue a process of its own, so that work that is stuck holds up no other kind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Final

import structlog

from orchestrator.supervisor.children import BackOff, meaning_of
from orchestrator.supervisor.interrupts import SIGNALS, Interrupts

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.2
#: A lane is forked from a process that has loaded everything: it starts at once, and shares most of its memory.
FORK: Final = multiprocessing.get_context("fork")

#: What a lane runs: the work of a queue, until the end. It calls the second once it takes tasks.
Work = Callable[[str, Callable[[], None]], None]


class Lane:
    """The process that works for one queue now, if any."""

    def __init__(self, queue: str, work: Work, back_off: BackOff) -> None:
        self.queue = queue
        self.is_ready = False
        self._work = work
        self._back_off = back_off
        self._failures = 0
        self._start_at = self._started_at = 0.0  # monotonic
        self._process: ForkProcess | None = None
        self._ready: Connection | None = None

    def look_after(self) -> None:
        """Start the process where none runs and it is time, and note what has become of it."""
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self._start()
        elif self._process.exitcode is not None:
            self._note_end(self._process.exitcode)
        elif self._ready is not None and self._ready.poll():
            self._note_ready()

    def signs(self) -> list[int | Connection]:
        """Return what becomes readable when there is something to look after."""
        signs: list[int | Connection] = []
        if self._process is not None:
            signs.append(self._process.sentinel)
        if self._ready is not None:
            signs.append(self._ready)
        return signs

    def ask_to_end(self) -> None:
        """Let the process finish what it does, and take nothing more."""
        if self._process is not None:
            self._process.terminate()

    def await_end(self) -> None:
        """Wait until the process has ended."""
        if self._process is not None:
            self._process.join()

    def _start(self) -> None:
        self._ready, told = FORK.Pipe(duplex=False)
        self._process = FORK.Process(target=_run, args=[self.queue, self._work, told], name=f"lane-{self.queue}")
        self._process.start()
        self._started_at = time.monotonic()
        told.close()

    def _note_ready(self) -> None:
        assert self._ready is not None
        self._ready.close()  # It says nothing else, and at its end it would stay readable.
        self._ready, self.is_ready = None, True

    def _note_end(self, code: int) -> None:
        ran_for = time.monotonic() - self._started_at
        self._failures = 1 if ran_for >= self._back_off.stable_after else self._failures + 1
        delay = self._back_off.delay(self._failures)
        self._start_at = time.monotonic() + delay
        self._process = self._ready = None
        log.error("lane_ended", queue=self.queue, how=meaning_of(code), again_in=delay)


def keep_running(
    queues: Sequence[str], work: Work, *, on_ready: Callable[[], None], back_off: BackOff | None = None
) -> None:
    """Run a lane for each queue until a signal asks for the end, starting again what dies.

    ``on_ready`` is called once, when all lanes take tasks for the first time.
    """
    lanes = [Lane(queue, work, back_off or BackOff()) for queue in queues]
    was_ready = False
    with Interrupts() as interrupts:
        while not interrupts.have_come():
            for lane in lanes:
                lane.look_after()
            if not was_ready and all(lane.is_ready for lane in lanes):
                was_ready = True
                on_ready()
            wait([sign for lane in lanes for sign in lane.signs()], timeout=POLL_SECONDS)
        for lane in lanes:
            lane.ask_to_end()
        for lane in lanes:
            lane.await_end()


def _run(queue: str, work: Work, told: Connection) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    work(queue, lambda: _tell_ready(told))


def _tell_ready(told: Connection) -> None:
    # Those come to the whole group of a terminal, and the parent passes on that it is over.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    told.send(True)
    told.close()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
