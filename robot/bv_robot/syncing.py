"""The sync loop: presence, renewals and claims. Nothing slow happens here, so no lease waits for anything."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from bv_robot import api, client, measuring, platforms, problems
from bv_robot.client import Backoff, Trouble
from bv_robot.desk import Desk, Settings
from bv_robot.executing import SAFE_PART, Assignment
from bv_robot.measuring import Measuring
from bv_robot.rotating import Rotating
from bv_robot.spool import Record
from bv_robot.waiting import Waiting

log = logging.getLogger("bv_robot")

LEAST_PAUSE = 0.2
"""Seconds between two syncs, however much there is to say."""
HIGHEST_EVERY = 60.0
"""Seconds between two notes of the highest tick seen; an epoch that rises is noted at once."""
CLONED_PAUSE = 60.0
INCOMPATIBLE_PAUSE = 300.0
"""Seconds between two tries where robot and orchestrator have no version of the protocol in common."""
PROTOCOLS = (1,)
"""The versions of the protocol that this robot speaks."""
INCOMPATIBLE = {
    "robot_too_old": "This robot is too old for its orchestrator: update it (pip install --upgrade bv-robot). {}",
    "robot_too_new": "This robot is too new for its orchestrator: update that, or install an older robot. {}",
}
TO_ENROL = "The orchestrator does not accept this robot's token. Enrol it again: {}. Results are kept until then."
MOST_AT_ONCE = 64
"""Leases, and wishes, that one sync may name."""


class Syncing:
    """Speaks with the orchestrator in the name of one process.

    Args:
        desk: What the loops share.
        waiting: The loop that holds the long wait, given each new ticket.
        enrol_again: Called when the token is no longer good; True when there is a new one.
    """

    def __init__(self, desk: Desk, waiting: Waiting, enrol_again: Callable[[], bool]) -> None:
        self._desk, self._waiting, self._enrol_again = desk, waiting, enrol_again
        self._instance = str(uuid.uuid4())
        self._seq = 0
        self._wishes: list[str] = []
        self._in_doubt: set[str] = set()
        self._backoff = Backoff()
        self._resume_secret = desk.remembered.get("resume_secret")
        self._noted_at = 0.0
        self._measuring, self._rotating = Measuring(desk), Rotating(desk)
        self._told_problem = ""
        self.is_idle = threading.Event()
        """Set after a sync that brought no work while there was none in hand."""

    def run(self) -> None:
        """Sync until the listener ends."""
        while not self._desk.ended.is_set():
            try:
                pause = self._sync() if self._desk.session else self._open_session()
                self._tell_all_is_well()
            except client.Conflict as conflict:
                pause = self._after_conflict(conflict)
            except client.NotSignedIn as refusal:
                pause = self._after_refused_token(refusal)
            except Trouble as trouble:
                pause = self._after_trouble(trouble)
            self._rest(pause)

    def _rest(self, pause: float) -> None:
        time.sleep(min(LEAST_PAUSE, pause))
        self._desk.wake.wait(max(0.0, pause - LEAST_PAUSE))
        self._desk.wake.clear()

    # When it goes wrong

    def _after_conflict(self, conflict: client.Conflict) -> float:
        if conflict.code in INCOMPATIBLE:
            self._complain(INCOMPATIBLE[conflict.code].format(conflict.detail))
            return random.uniform(INCOMPATIBLE_PAUSE / 2, INCOMPATIBLE_PAUSE)
        self._tell(conflict)
        if conflict.code == "session_over":
            self._end_session()
            return LEAST_PAUSE
        if conflict.code == "sequence_conflict":
            log.error("Another robot speaks with this robot's identity: was this machine's disk copied?")
            self._end_session()
        if conflict.code == "identity_cloned":
            return CLONED_PAUSE
        return self._pause_before_retry(conflict)

    def _after_refused_token(self, refusal: client.NotSignedIn) -> float:
        former = self._desk.identity.robot_id
        if self._enrol_again():
            self._end_session()
            if self._desk.identity.robot_id != former:
                self._forget()
            return LEAST_PAUSE
        self._complain(TO_ENROL.format(f"bv-robot enroll {self._desk.identity.url} --key KEY"))
        return self._backoff.pause(refusal)

    def _after_trouble(self, trouble: Trouble) -> float:
        self._tell(trouble)
        if trouble.server_is_away:
            self._outlast_server()
        return self._pause_before_retry(trouble)

    def _pause_before_retry(self, trouble: Trouble) -> float:
        """Never longer than between two syncs when all is well: leases wait, and operators want to see us back."""
        return self._backoff.pause(trouble, at_most=self._desk.settings.sync_max)

    def _outlast_server(self) -> None:
        """Where the orchestrator itself is down its sweep stands still too, so what runs may run on."""
        now = platforms.steady()
        for assignment in self._desk.occupied():
            if assignment.is_running:
                assignment.extended(now)

    def _tell_all_is_well(self) -> None:
        self._backoff.reset()
        if self._desk.trouble:
            log.info("The orchestrator answers again")
            self._desk.tell_server_is_back()
        self._desk.trouble = ""

    def _tell(self, trouble: Trouble) -> None:
        if str(trouble) != self._desk.trouble:
            log.warning("The orchestrator does not answer as hoped: %s", trouble)
        self._desk.trouble = str(trouble)

    def _complain(self, told: str) -> None:
        """Say once what only an operator can mend; the status goes on showing it."""
        if told != self._desk.trouble:
            log.error(told)
        self._desk.trouble = told

    # The session

    def _end_session(self) -> None:
        self._desk.session = None
        self._wishes.clear()
        self._in_doubt.clear()

    def _forget(self) -> None:
        """We are another robot now, perhaps of another orchestrator, to which ours would be strange ticks."""
        self._resume_secret = None
        self._desk.epoch = self._desk.tick = 0

    def _open_session(self) -> float:
        """Open a session, proving which jobs still run. What the server does not continue is ended."""
        running = [held for held in self._desk.occupied() if held.is_running]
        sent = platforms.steady()
        answer = api.open_session(self._desk.http_for_sync, self._opening([held.lease_id for held in running]))
        self._resume_secret = answer["resume_secret"]
        self._desk.session_settings = Settings.of(answer["settings"])
        # An older server says nothing of its own about this robot alone.
        self._desk.configure(answer.get("config") or answer["robot"] | {"draining": self._desk.is_drained_by_server})
        self._note_highest(answer, at_once=True)
        self._judge(running, answer["leases"], sent)
        self._seq = 0
        self._desk.session = answer["session"]
        slots = "1 slot" if self._desk.slots == 1 else f"{self._desk.slots} slots"
        log.info("Session open as %s, %s", answer["robot"]["name"], slots)
        self._rotating.consider(answer["robot"].get("token_expires_in"))
        return 0.0

    def _opening(self, running: list[str]) -> Record:
        return {
            "instance_id": self._instance,
            "boot_id": platforms.boot_id(),
            "machine_signature": self._desk.identity.machine_signature,
            "resume_secret": self._resume_secret,
            "running": running,
            "highest": {"epoch": self._desk.epoch, "tick": self._desk.tick},
            "protocols": list(PROTOCOLS),
            "agent": measuring.facts_of_host(),
            "capabilities": {"executors": ["robot"], "legacy_scripts": bool(self._desk.config.script_directories)},
        }

    def _judge(self, running: list[Assignment], verdicts: dict[str, str], sent: float) -> None:
        """Go on with what the server continues; everything else from before this session is lost."""
        for assignment in self._desk.occupied():
            is_continued = assignment in running and verdicts.get(assignment.lease_id) == "continue"
            assignment.renewed("continue" if is_continued else "lost", sent)

    # One sync

    def _sync(self) -> float:
        # Should there ever be more, what still runs comes first.
        first = sorted(self._desk.held(), key=lambda assignment: not assignment.occupies_slot)[:MOST_AT_ONCE]
        held = {assignment.lease_id: assignment for assignment in first}
        is_accepting = self._desk.is_accepting()
        self._wish(self._desk.free_slots() if is_accepting else 0)
        self._seq += 1
        sent = platforms.steady()
        self._in_doubt.update(self._wishes)
        answer = api.sync(self._desk.http_for_sync, self._report(list(held.values()), is_accepting=is_accepting))
        self._in_doubt.clear()
        self._take_answer(answer, held, sent)
        self._rotating.consider(answer["config"].get("token_expires_in"))
        return self._pause_after(answer, sent)

    def _wish(self, free: int) -> None:
        """Keep one wish per free slot. One that was sent and not answered is repeated, whatever has changed since."""
        fresh = [wish for wish in self._wishes if wish not in self._in_doubt]
        self._wishes = [wish for wish in self._wishes if wish in self._in_doubt]
        while len(self._wishes) < min(free, MOST_AT_ONCE):
            self._wishes.append(fresh.pop() if fresh else str(uuid.uuid4()))

    def _report(self, held: list[Assignment], *, is_accepting: bool) -> Record:
        return {
            "session": self._desk.session,
            "seq": self._seq,
            "wishes": self._wishes,
            "leases": [assignment.renewal() for assignment in held],
            "highest": {"epoch": self._desk.epoch, "tick": self._desk.tick},
            "state": {"accepting": is_accepting, "problem": self._problem()},
            **self._measuring.report(),
        }

    def _problem(self) -> str:
        """What is wrong, in one word, said in the log when it changes."""
        former, problem = self._told_problem, self._desk.complaint()
        self._told_problem = problem
        if problem == former:
            return problem
        if problem and problem not in problems.ORDERED:
            log.warning("%s (%s)", problems.sentence(problem), problem)
        elif former and former not in problems.ORDERED:
            log.info("What was wrong is over: %s", former)
        return problem

    def _take_answer(self, answer: dict[str, Any], held: dict[str, Assignment], sent: float) -> None:
        for lease_id, asked in answer["leases"].items():
            if lease_id in held:
                held[lease_id].renewed(asked, sent)
        for grant in answer["grants"]:
            self._wishes = [wish for wish in self._wishes if wish != grant["wish"]]
            self._take_lease(grant["lease"], sent)
        watched = answer.get("watched") or ()
        for lease_id, assignment in held.items():
            assignment.watched(is_watched=lease_id in watched)
        self._desk.configure(answer["config"])
        self._note_highest(answer)
        self._waiting.offer(answer.get("wait"))
        self._desk.last_sync = time.time()
        if not (held or answer["grants"] or self._desk.assignments()):
            self.is_idle.set()

    def _take_lease(self, lease: Record, sent: float) -> None:
        """Write a lease down, then begin with it. What cannot be written down, or is not wanted now, goes back."""
        record = {
            "lease": lease,
            "mark": secrets.token_hex(16),
            "deadline": sent + lease["ttl"] * SAFE_PART,
            "start_by": sent + lease["start_within"] * SAFE_PART,
        }
        try:
            files = self._desk.spool.add(record)
        except OSError as error:
            log.error("The spool does not take a lease, so it goes back: %s", error)
            self._refuse(lease["lease"], f"the spool does not take it: {error}")
            return
        assignment = Assignment(self._desk, files, record)
        if not self._desk.is_accepting():
            assignment.ask("robot_stopped")
        self._desk.take(assignment)

    def _refuse(self, lease_id: str, reason: str) -> None:
        try:
            api.release(self._desk.http_for_sync, lease_id, self._desk.session or "", reason)
        except Trouble as trouble:
            log.warning("The lease could not be given back and will run out: %s", trouble)

    def _pause_after(self, answer: dict[str, Any], sent: float) -> float:
        """Follow the server's pace with jitter, but renew in time."""
        paced = float(answer["next_sync_in"])
        pause = random.uniform(min(1.0, paced), paced)
        if held := self._desk.held():
            renew_in = min(self._desk.settings.renew_every, *(assignment.renew_within for assignment in held))
            pause = min(pause, sent + renew_in - platforms.steady())
        return max(0.0, pause)

    def _note_highest(self, answer: dict[str, Any], *, at_once: bool = False) -> None:
        """Remember the highest epoch and tick. A higher epoch means that the server may have forgotten results.

        A new session looks back as well: an earlier process may have died before it had offered them all again.
        """
        has_risen = answer["epoch"] > self._desk.epoch
        seen = max((self._desk.epoch, self._desk.tick), (int(answer["epoch"]), int(answer["tick"])))
        self._desk.epoch, self._desk.tick = seen
        if has_risen or at_once:
            self._desk.look_back.set()
        if not (at_once or has_risen or platforms.steady() - self._noted_at > HIGHEST_EVERY):
            return
        self._noted_at = platforms.steady()
        note = {"resume_secret": self._resume_secret, "epoch": self._desk.epoch, "tick": self._desk.tick}
        try:
            self._desk.spool.write_session(note)
        except OSError as error:
            log.error("The spool does not take the session's memory: %s", error)
