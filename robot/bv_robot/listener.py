"""The listener: takes over what an earlier one left, runs the loops, and ends in good order."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from bv_robot import (
    __version__,
    artefacts,
    cgroups,
    delivering,
    enrolling,
    keeping,
    moments,
    orders,
    platforms,
    preparing,
    pruning,
    rotating,
    spool,
)
from bv_robot.client import Trouble
from bv_robot.config import Config, Home, Identity
from bv_robot.desk import Desk
from bv_robot.executing import Assignment
from bv_robot.orders import DRAIN
from bv_robot.spool import CorruptRecord, ExecutionFiles
from bv_robot.syncing import Syncing
from bv_robot.waiting import Waiting

log = logging.getLogger("bv_robot")

TICK = 0.1
STATUS_EVERY = 2.0
CLEAN_EVERY = 600.0
FIRST_OFFERS = 10.0
"""Seconds for which opening a session waits for results from before to be offered once."""
LAST_OFFERS = 30.0
"""Seconds for which a drained robot goes on delivering; what is left waits in the spool for the next start."""
REST_WITHIN = 10.0
"""Seconds for which a listener that has ended waits for its last call."""
STOP_WITHIN = 7.0
"""Seconds in which a robot that is stopped at once ends its jobs and reports them."""


class LoopDied(Exception):
    """A loop of the listener ended by an error of ours. The next start takes over what runs."""


class Listener:
    """One run of the robot, in a home whose lock this process holds.

    Args:
        home: The robot's directory.
        settings: What the operator set.
        identity: Who the robot is.
        key: The machine's key where it is known; with it a token that is no longer good is replaced.
        is_until_idle: Whether to end by itself once there is nothing to do.
        most_jobs: After how many jobs to end by itself; a first SIGTERM then ends what runs. None for never.
        idle_timeout: Seconds without any job after which to end by itself. None for never.
        asked: How urgently whoever started this process wants it to end, beside signals and orders; 0 for not at all.
    """

    def __init__(
        self,
        home: Home,
        settings: Config,
        identity: Identity,
        *,
        key: str | None = None,
        is_until_idle: bool = False,
        most_jobs: int | None = None,
        idle_timeout: float | None = None,
        asked: Callable[[], int] = lambda: 0,
    ) -> None:
        self._home, self._settings, self._key = home, settings, key
        self._idle_timeout, self._begun_at = idle_timeout, platforms.steady()
        self._is_until_idle, self._asked = is_until_idle, asked
        self._signals = self._urgency = 0
        self._stop_asked_at = self._last_occupied_at = 0.0
        self._desk = Desk(home, settings, identity)
        self._refused: set[str] = set()
        self._status_trouble = ""
        self._desk.most_jobs = most_jobs
        self._ticks: dict[str, float] = {}

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            LoopDied: when a loop failed by a fault of ours.
        """
        preparing.install_author_module(self._home.author)
        self._listen_to_signals()
        log.info("bv-robot %s, %s at %s", __version__, self._desk.identity.name, self._desk.identity.url)
        self._tell_standing_orders()
        self._write_status()
        self._desk.groups = control_groups()
        self._take_over()
        waiting = Waiting(self._desk)
        self._syncing = Syncing(self._desk, waiting, self._enrol_again)
        waiting.start()
        threading.Thread(target=delivering.look_back, args=[self._desk], name="looking back", daemon=True).start()
        threading.Thread(target=pruning.prune_daily, args=[self._desk], name="pruning", daemon=True).start()
        self._loop = threading.Thread(target=self._syncing.run, name="sync", daemon=True)
        self._loop.start()
        try:
            self._work_until_stopped()
            orders.forget_stop(self._home)
        finally:
            self._desk.ended.set()
            self._desk.wake.set()
            self._write_status()

    def come_to_rest(self) -> None:
        """After ``run``: wait until the last sync is over, and what it may have brought has gone back."""
        self._loop.join(REST_WITHIN)
        deadline = platforms.steady() + REST_WITHIN
        while self._desk.occupied() and platforms.steady() < deadline:
            time.sleep(TICK)

    @property
    def session(self) -> str | None:
        return self._desk.session

    @property
    def was_asked_to_end(self) -> bool:
        """Whether it ended because somebody wanted it to."""
        return self._asked_urgency() > 0

    # Taking over

    def _take_over(self) -> None:
        """Go on with what an earlier process left: jobs that still run, and results to deliver."""
        self._desk.spool.empty_bin()
        for files in self._desk.spool.executions():
            self._sort_out(files)
        self._remove_forgotten_work()
        # Results go before the session, for opening it closes what is open and not proven to run.
        deadline = platforms.steady() + FIRST_OFFERS
        for assignment in self._desk.assignments():
            while not (assignment.occupies_slot or self._asked_urgency() or platforms.steady() >= deadline):
                if assignment.offered.wait(TICK):
                    break

    def _sort_out(self, files: ExecutionFiles) -> None:
        try:
            if files.is_blank():
                self._desk.spool.remove(files)
            elif files.delivery() is None:
                self._sort_out_open(files)
            elif artefacts.owed(files):
                self._desk.take(Assignment(self._desk, files, files.lease()))
        except (CorruptRecord, KeyError) as damage:
            self._desk.put_aside(files, str(damage))
        except OSError as error:  # On a full disk what runs must still be taken over.
            log.error("A record of the spool waits for the next start: %s", error)

    def _sort_out_open(self, files: ExecutionFiles) -> None:
        """Decide about a job that is not answered for. It is never run again: what died with us is given up."""
        if not files.is_owned():
            files.take_ownership(None)  # A supervisor that has not taken the job by now never will.
        assignment = self._assignment_of(files)
        owner = files.owner()
        # In this order: a supervisor that has ended left its result before.
        if (owner is not None and platforms.still_runs(owner)) or files.result() is not None:
            self._desk.take(assignment)
            return
        platforms.kill_strays(assignment.mark)
        log.warning("%s: did not survive the robot, so it is given up", assignment)
        files.write_delivery("given_up", epoch=self._desk.epoch)
        if artefacts.owed(files):
            self._desk.take(Assignment(self._desk, files, files.lease()))

    def _assignment_of(self, files: ExecutionFiles) -> Assignment:
        result = files.result()
        if result is not None:
            return Assignment.of_result(self._desk, files, result)
        return Assignment(self._desk, files, files.lease())

    def _remove_forgotten_work(self) -> None:
        executions = self._desk.spool.executions()
        known = {files.directory.name for files in executions if not files.is_delivered()}
        known |= {kept.path.name for kept in keeping.contents(self._home)}
        for directory in self._home.work.iterdir():
            if directory.name not in known:
                shutil.rmtree(directory, ignore_errors=True)

    def _enrol_again(self) -> bool:
        """Find a token that may be good where the one in use is not; False where there is none."""
        if self._desk.ended.is_set():  # Who leaves must not come back.
            return False
        self._refused.add(self._desk.identity.api_token)
        if another := rotating.another_identity(self._home, self._refused):
            self._desk.sign_in(another)
            return True
        self._refused.clear()  # All of them are tried again: a refusal may have been a mistake.
        if not self._key:
            return False
        try:
            identity = enrolling.enrol(self._home, self._settings, self._key)
        except Trouble as trouble:
            log.error("Enrolling again did not work: %s", trouble)
            return False
        is_new = identity.api_token != self._desk.identity.api_token
        self._desk.sign_in(identity)
        return is_new

    # Working

    def _work_until_stopped(self) -> None:
        while not self._is_done():
            time.sleep(TICK)
            self._heed_stop()
            self._heed_pause()
            if not self._loop.is_alive():
                raise LoopDied("the sync loop ended by an error")
            self._every(STATUS_EVERY, self._write_status)
            if self._desk.last_sync is not None:
                self._every(CLEAN_EVERY, self._clean)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        now = platforms.steady()
        if now - self._ticks.get(act.__name__, float("-inf")) >= seconds:
            self._ticks[act.__name__] = now
            act()

    def _is_done(self) -> bool:
        if self._is_until_idle and self._syncing.is_idle.is_set():
            return True
        if self._desk.has_done_its_work():
            return True
        if not self._urgency:
            return False
        if self._urgency > DRAIN:
            has_time = platforms.steady() < self._stop_asked_at + STOP_WITHIN
            return not (has_time and any(not held.is_safe() for held in self._desk.assignments()))
        if self._desk.occupied():
            self._last_occupied_at = platforms.steady()
        return not self._desk.assignments() or platforms.steady() >= self._last_occupied_at + LAST_OFFERS

    # Ending

    def _listen_to_signals(self) -> None:
        signal.signal(signal.SIGTERM, self._on_terminate)
        for number in platforms.STOP_SIGNALS:
            # Under nohup the hang-up signal is ignored, and stays so.
            if number != signal.SIGTERM and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_interrupt)

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self._signals += 2

    def _asked_urgency(self) -> int:
        is_urgent = self._signals and self._desk.most_jobs is not None
        by_signal = orders.AT_ONCE if is_urgent else min(self._signals, orders.AT_ONCE)
        return max(by_signal, orders.urgency_of_stop(self._home), self._asked())

    def _waits_in_vain(self) -> bool:
        if self._idle_timeout is None or self._desk.jobs_taken:
            return False
        return platforms.steady() >= self._begun_at + self._idle_timeout

    def _heed_stop(self) -> None:
        """Act on signals here and not in their handlers, which may interrupt a thread that holds a lock."""
        urgency = max(self._asked_urgency(), orders.AT_ONCE if self._waits_in_vain() else 0)
        if urgency > self._urgency:
            self._urgency = urgency
            self._stop()

    def _stop(self) -> None:
        self._stop_asked_at = self._last_occupied_at = platforms.steady()
        self._desk.wants_drain = True
        self._write_status()
        self._desk.wake.set()
        if self._urgency == DRAIN:
            log.info("Draining: what runs is finished, nothing new is taken. Ask again to end it now.")
            return
        log.info("Stopping now: what runs is ended and reported.")
        for assignment in self._desk.occupied():
            assignment.ask("robot_stopped")

    # Pausing

    def _tell_standing_orders(self) -> None:
        if orders.urgency_of_stop(self._home):
            log.warning("Somebody asked this robot to end, and it died before: it does so now, then start it again.")
        if self._desk.is_paused:
            log.warning("Paused: nothing new is taken. Take work again by: bv-robot resume")

    def _heed_pause(self) -> None:
        is_paused = orders.is_paused(self._home)
        if is_paused == self._desk.is_paused:
            return
        self._desk.is_paused = is_paused
        self._write_status()
        self._desk.wake.set()
        log.info("Paused: what runs goes on, nothing new is taken." if is_paused else "Resumed: work is taken again.")

    # Housekeeping

    def _write_status(self) -> None:
        """Leave a note for ``bv-robot status``."""
        desk = self._desk
        note = {
            "pid": os.getpid(),
            "version": __version__,
            "session": desk.session,
            "slots": desk.slots,
            "accepting": desk.is_accepting(),
            "labels": desk.labels,
            "problem": desk.complaint(),
            "trouble": desk.trouble,
            "last_sync": desk.last_sync,
            "wait_url": desk.wait_url,
            "jobs": [assignment.summary() for assignment in desk.assignments()],
        }
        try:
            spool.change_note(self._home.status_file, note)  # A full disk is when people look.
            self._status_trouble = ""
        except OSError as error:
            if str(error) != self._status_trouble:
                log.error("The status cannot be written: %s", error)
            self._status_trouble = str(error)

    def _clean(self) -> None:
        """Forget results that were acknowledged long ago, by the very epoch that the server is still in."""
        try:
            for files in self._desk.spool.executions():
                if self._is_forgettable(files):
                    self._desk.spool.remove(files)
        except OSError as error:
            log.error("The spool could not be cleaned; this is tried again: %s", error)

    def _is_forgettable(self, files: ExecutionFiles) -> bool:
        try:
            delivery = files.delivery()
        except CorruptRecord:  # The next start puts it into quarantine.
            return False
        if delivery is None or moments.age(delivery) <= self._settings.keep_records_seconds or artefacts.owed(files):
            return False
        return delivery["epoch"] >= self._desk.epoch or not files.has_result()


def control_groups() -> Path | None:
    """Where jobs get control groups of their own; None where the robot has none to give."""
    try:
        group = cgroups.delegated()
        cgroups.take(group)
    except cgroups.NotDelegated as reason:
        log.info("Limits of jobs are kept without control groups: %s", reason)
        return None
    log.info("Jobs get control groups in %s", group)
    return group


def listen(
    home: Home,
    settings: Config,
    identity: Identity,
    *,
    key: str | None,
    is_until_idle: bool,
    asked: Callable[[], int] = lambda: 0,
) -> None:
    """Run the robot of a home, whose lock the caller has taken.

    Raises:
        LoopDied: when it failed by a fault of ours.
    """
    Listener(home, settings, identity, key=key, is_until_idle=is_until_idle, asked=asked).run()
