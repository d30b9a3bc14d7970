"""What the loops of one listener share: the connection, the session, the settings, and the work in hand."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bv_robot import artefacts, orders
from bv_robot.client import Client
from bv_robot.config import Config, Home, Identity
from bv_robot.spool import CorruptRecord, ExecutionFiles, Spool

if TYPE_CHECKING:
    from bv_robot.executing import Assignment

log = logging.getLogger("bv_robot")


@dataclass(frozen=True)
class Settings:
    """What the orchestrator asks of its robots. Times are seconds, sizes bytes."""

    sync_min: float = 2
    sync_max: float = 10
    wait_max: float = 50
    renew_every: float = 15
    lease_ttl: float = 90
    kill_grace: float = 30
    log_every: float = 3
    log_chunk_bytes: int = 262_144
    log_limit_bytes: int = 104_857_600
    result_limit_bytes: int = 1_048_576
    memory_limit: float | None = None
    """MiB that one job may use, where the orchestrator says so for this robot."""
    cpu_limit: float | None = None
    """Cores that one job may use, likewise."""
    disk_reserve_bytes: int | None = None
    """With less free than this the robot takes no new work; its own setting where the orchestrator says nothing."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Settings:
        """The settings of a session; what a newer server adds is not for us."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in told.items() if name in known})

    def with_pushed(self, pushed: Mapping[str, Any]) -> Settings:
        """These settings, but for what was set for this robot alone. What is no number that makes sense is left out."""
        usable = {name: value for name, value in pushed.items() if name in PUSHED and _makes_sense(name, value)}
        return dataclasses.replace(self, **usable)


PUSHED = {"sync_min", "sync_max", "log_every", "log_limit_bytes", "memory_limit", "cpu_limit", "disk_reserve_bytes"}
"""What may be set for one robot alone, while it runs."""


def _makes_sense(name: str, value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return value > 0 or (value == 0 and name == "disk_reserve_bytes")


class Desk:
    """One listener's shared state. Each field is written by one loop only, unless a lock is named."""

    def __init__(self, home: Home, config: Config, identity: Identity) -> None:
        self.home, self.config = home, config
        self.spool = Spool(home.spool)
        self.wake = threading.Event()
        """Set to have the sync loop look sooner."""
        self.ended = threading.Event()
        """Set once, when every loop is to stop."""
        self.look_back = threading.Event()
        """Set where results that were delivered in an earlier epoch may have to be offered again."""
        self.most_jobs: int | None = None
        """How many jobs this process may run at all; None for as many as come."""
        self.jobs_taken = 0
        self.wants_drain = False
        """The operator of this machine asked to finish what runs and take nothing new."""
        self.is_paused = orders.is_paused(home)
        """The operator of this machine asked to take nothing new for now."""
        self.is_drained_by_server = False
        self.settings = self.session_settings = Settings()
        """What counts now, and what the session was opened with: the same but for what is set for this robot alone."""
        self._pushed: dict[str, Any] = {}
        self.groups: Path | None = None
        """The control group in which jobs get theirs; None where the robot has none."""
        self.session: str | None = None
        self.slots = 1
        self.labels: list[str] = []
        self.remembered = self.spool.session()
        """What an earlier process knew of its session."""
        self.epoch: int = self.remembered.get("epoch", 0)
        self.tick: int = self.remembered.get("tick", 0)
        self.trouble = ""
        """Why the last sync did not work, for people; empty when it did."""
        self.last_sync: float | None = None
        self.artefact_limit = artefacts.Limit()
        """Shared by the loops that send files; what one learns the others believe."""
        self.wait_url = ""
        """Where a sync last said to wait, for people; empty where none has yet."""
        self._lock = threading.Lock()
        self._assignments: dict[str, Assignment] = {}
        self._server_is_back = threading.Condition()
        self.is_identity_stored = True
        """Whether the token in use is on disk as well."""
        self.sign_in(identity)

    def sign_in(self, identity: Identity) -> None:
        """Speak as ``identity`` from now on. Renewing has a connection of its own, which no upload can fill."""
        self.identity = identity
        ca_file = self.config.ca_file
        self.http = Client(identity.url, token=identity.api_token, ca_file=ca_file)
        self.http_for_sync = Client(identity.url, token=identity.api_token, ca_file=ca_file)

    # Work in hand

    def take(self, assignment: Assignment) -> None:
        """Add work and begin with it."""
        with self._lock:
            self._assignments[assignment.lease_id] = assignment
            self.jobs_taken += 1
        threading.Thread(target=self._carry_out, args=[assignment], name=assignment.lease_id, daemon=True).start()

    def _carry_out(self, assignment: Assignment) -> None:
        try:
            assignment.carry_out()
        except CorruptRecord as damage:
            self.put_aside(assignment.files, str(damage))
        except OSError as error:
            log.error("%s: the spool cannot be used: %s", assignment, error)
        finally:
            with self._lock:
                self._assignments.pop(assignment.lease_id, None)
                if not assignment.files.has_result():  # It went back, so it was none of ours.
                    self.jobs_taken -= 1
            self.wake.set()

    def put_aside(self, files: ExecutionFiles, why: str) -> None:
        """Put a record into quarantine, and say what it is, why, and where it lies now."""
        place = self.spool.set_aside(files, why)
        log.error("A record of the spool is damaged or unknown, so it goes into quarantine at %s: %s", place, why)

    def assignments(self) -> list[Assignment]:
        with self._lock:
            return list(self._assignments.values())

    def free_slots(self) -> int:
        """How many more jobs may be taken now."""
        free = self.slots - len(self.occupied())
        return free if self.most_jobs is None else min(free, self.most_jobs - self.jobs_taken)

    def has_done_its_work(self) -> bool:
        """Say whether every job that this process may run has been run and answered for."""
        with self._lock:
            return self.most_jobs is not None and self.jobs_taken >= self.most_jobs and not self._assignments

    def occupied(self) -> list[Assignment]:
        """The work that holds a slot: everything but what waits for its result to be delivered."""
        return [assignment for assignment in self.assignments() if assignment.occupies_slot]

    def held(self) -> list[Assignment]:
        """The work whose lease is renewed: what runs, and what has ended but is not answered for yet."""
        return [assignment for assignment in self.assignments() if assignment.holds_lease]

    def delivering(self) -> list[Assignment]:
        """The work that has come to its end and waits until its result is answered for good."""
        return [assignment for assignment in self.assignments() if not assignment.occupies_slot]

    def rest(self, seconds: float) -> None:
        """Wait before a result is offered again; shorter where the server is back."""
        with self._server_is_back:
            self._server_is_back.wait(seconds)

    def tell_server_is_back(self) -> None:
        """Have whoever rests try again."""
        with self._server_is_back:
            self._server_is_back.notify_all()

    # What the server says about this robot

    def configure(self, told: Mapping[str, Any]) -> None:
        """Follow the ``config`` of an answer."""
        self.slots, self.is_drained_by_server = int(told["slots"]), bool(told["draining"])
        self.labels = [str(label) for label in told.get("labels") or []]
        former, self._pushed = self._pushed, dict(told.get("settings") or {})
        self.settings = self.session_settings.with_pushed(self._pushed)
        if self._pushed != former:
            log.info("Set for this robot alone: %s", ", ".join(_assignments(self._pushed)) or "nothing any more")

    @property
    def disk_reserve_bytes(self) -> int:
        """With less free than this no new work is taken."""
        pushed = self.settings.disk_reserve_bytes
        return self.config.disk_reserve_bytes if pushed is None else pushed

    def problem(self) -> str:
        """Why this robot takes no new work, in one word; empty when it does."""
        if self.wants_drain:
            return "stopping"
        if not self.spool.is_usable():
            return "spool_unusable"
        free = psutil.disk_usage(str(self.spool.directory)).free
        if free < self.disk_reserve_bytes:
            return "spool_full"
        return "paused" if self.is_paused else ""

    def complaint(self) -> str:
        """What keeps this robot from taking work, or else asks for an operator: one word, empty where all is well."""
        if problem := self.problem():
            return problem
        if any(assignment.waits_in_memory() for assignment in self.occupied()):
            return "result_in_memory"
        if not self.is_identity_stored:
            return "token_not_stored"
        return "spool_quarantined" if self.spool.has_quarantined() else ""

    def is_accepting(self) -> bool:
        return not (self.is_drained_by_server or self.problem())


def _assignments(pushed: Mapping[str, Any]) -> list[str]:
    known = [name for name in sorted(pushed) if name in PUSHED]
    return [f"{name}={pushed[name]}" for name in known]
