"""The loop of one lease: prepare, start the supervisor, wait for its end, deliver the result."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bv_robot import api, client, delivering, itself, keeping, logs, outcomes, platforms, preparing, results, spool
from bv_robot.artefacts import Artefacts
from bv_robot.cgroups import JobGroup
from bv_robot.desk import Desk
from bv_robot.environments import EnvironmentFailed
from bv_robot.keeping import Keeping
from bv_robot.logs import LogFile
from bv_robot.packages.archives import UnsafeArchive
from bv_robot.packages.fetching import WrongPackage
from bv_robot.preparing import NotBegun, Preparation, UnusableSource
from bv_robot.runner import MARGIN, Plan
from bv_robot.spool import ExecutionFiles, Record
from bv_robot.uploading import Uploading

log = logging.getLogger("bv_robot")

SAFE_PART = 1 - MARGIN
"""Of a lease's time to live, this much is trusted; the rest is the margin in which a job is ended."""
NOT_RENEWED = {"kill", "lost"}
"""With these words the server did not extend the lease."""
PAUSE = 0.1
FORCE_AFTER = 5.0
"""Seconds beyond its grace after which a job whose supervisor does not end it is ended from here."""
TRIES_TO_RELEASE = 3


class Interrupted(Exception):
    """Something was asked of this lease while its job was not yet running."""


class Assignment:
    """One lease, from its grant to the server's final answer."""

    def __init__(self, desk: Desk, files: ExecutionFiles, record: Record) -> None:
        self._desk, self.files, self._record = desk, files, record
        self._lease: Record = record["lease"]
        self.mark: str = record["mark"]
        self.lease_id: str = self._lease["lease"]
        control = spool.read_note(files.control)
        self.asked: str = control.get("ask", "continue")
        self.deadline: float = control.get("deadline") or record["deadline"]
        """Until when, on the steady clock, the lease is surely ours: a margin before it runs out at the server."""
        self.occupies_slot = self.holds_lease = files.result() is None and not files.is_delivered()
        self.is_running = files.owner() is not None and self.occupies_slot
        self.offered = threading.Event()
        """Set once the result was offered, or there is none to offer."""
        self._asking = threading.Lock()
        self._uploading = Uploading(desk, self.lease_id, files.log)
        self._artefacts = Artefacts(desk, self.lease_id, files)
        self._should_end_at: float | None = None

    @classmethod
    def of_result(cls, desk: Desk, files: ExecutionFiles, result: Record) -> Assignment:
        """What is left to do where only the result survived: it names all that delivering it takes."""
        lease = {name: result[name] for name in ("lease", "job", "number")} | {
            "package": None,
            "script_path": "unknown",
        }
        return cls(desk, files, {"lease": lease, "mark": "", "deadline": 0.0})

    def __str__(self) -> str:
        package = self._lease.get("package")
        what = f"{package['name']} {package['version']}" if package else self._lease["script_path"]
        return f"job {self._lease['job']} ({what})"

    @property
    def renew_within(self) -> float:
        """Seconds after which this lease should be renewed, so that a lost answer or two do no harm."""
        return float(self._lease["ttl"]) / 4

    def is_safe(self) -> bool:
        """Say whether nothing runs any more and the result, already offered once, can wait in the spool."""
        return not self.occupies_slot and self.offered.is_set()

    def waits_in_memory(self) -> bool:
        """Say whether its result is there, and only in memory, because the disk does not take it."""
        return self.files.is_in_memory()

    def summary(self) -> Record:
        """What ``bv-robot status`` shows of it."""
        phase = "running" if self.is_running else "preparing" if self.occupies_slot else "delivering"
        return {"job": self._lease["job"], "what": str(self), "phase": phase, "asked": self.asked}

    # What the sync loop does with it

    def renewal(self) -> Record:
        """This lease's line in a sync."""
        state = spool.read_note(self.files.state)
        told: Record = {"lease": self.lease_id}
        if progress := preparing.progress_of(spool.read_note(self.files.channel / "progress.json")):
            told["progress"] = progress
        if self.is_running and "started" in state:
            told["running_for"] = round(platforms.steady() - state["started"], 3)
        return told | {name: state[name] for name in ("cpu", "memory") if name in state}

    def renewed(self, asked: str, sent: float) -> None:
        """The server answered what was asked at ``sent`` (steady clock): do as it says. After its end a job is deaf."""
        if not self.occupies_slot:
            return
        if asked not in NOT_RENEWED:
            self._trust_from(sent)
        self.ask(asked)

    def watched(self, *, is_watched: bool) -> None:
        """Say whether somebody reads the log now, so that it comes sooner."""
        self._uploading.watched(is_watched=is_watched)

    def extended(self, now: float) -> None:
        """Trust the lease as if it had just been renewed."""
        with self._asking:
            self._trust_from(now)
            self._write_control()

    def _trust_from(self, moment: float) -> None:
        self.deadline = max(self.deadline, moment + self._lease["ttl"] * SAFE_PART)

    def ask(self, asked: str) -> None:
        """Pass something on to the job's supervisor. What ends a job is never taken back, whichever loop asked."""
        with self._asking:
            if asked != self.asked and asked != "continue":
                log.info("%s: %s", self, outcomes.ENDINGS.get(asked, "it was asked to end by itself"))
            if self.asked not in outcomes.ENDINGS or asked in {"kill", "lost"}:
                self.asked = asked
            self._write_control()

    def _write_control(self) -> None:
        try:
            spool.change_note(self.files.control, {"ask": self.asked, "deadline": self.deadline})
        except OSError as error:  # The supervisor ends the job at the deadline it knows.
            log.error("%s: the spool does not take a renewal: %s", self, error)

    # The loop

    def carry_out(self) -> None:
        """Do everything that is still to be done for this lease."""
        if is_fresh := self.occupies_slot:
            self._uploading.start()
            self._artefacts.start()
            self._run()
        self.occupies_slot = self.is_running = False
        self._desk.wake.set()
        self._uploading.end()
        self._artefacts.end()
        if self.files.delivery() is None and (report := self.files.result()) is not None:
            self._bring_small_artefacts(report, is_fresh=is_fresh)
            delivering.deliver(self._desk, self.files, self._uploading, self.offered)
        self.holds_lease = False
        self.offered.set()
        self._artefacts.deliver()
        if not self._desk.ended.is_set():
            self._tidy_up()

    def _tidy_up(self) -> None:
        """Remove the working directory, or keep it in place of older ones."""
        home = self._desk.home
        if keeping.note_of(home, self.files.directory.name).exists():
            keeping.prune(home, Keeping.of(self._desk.config))
        else:
            shutil.rmtree(self._work, ignore_errors=True)

    def _bring_small_artefacts(self, report: Record, *, is_fresh: bool) -> None:
        """So that they are there when the job is over; large ones follow its result. Its log says what was refused."""
        if not self._desk.wants_drain:
            self._artefacts.send_small(delivering.SENT_BEFORE)
        refusals = self._artefacts.untold()
        if is_fresh and refusals:
            self._say_at_the_end(report, refusals)
        reported = self.files.result() or report
        logs.cut(self.files.log, reported["log"]["length"])

    def _say_at_the_end(self, report: Record, texts: list[str]) -> None:
        """Add to the log of a job that has ended, which only the robot may do and only before the result is offered."""
        job_log = LogFile(self.files.log, self._desk.settings.log_limit_bytes)
        for text in texts:
            job_log.say(text, "WARN")
        job_log.close()
        told = {"log": logs.extent_of(self.files.log).as_reported()}
        try:
            self.files.write_result(report | told)
        except OSError as error:  # The disk is full: then the log stays as it was.
            log.error("%s: its log cannot say what was refused: %s", self, error)

    @property
    def _work(self) -> Path:
        return self._desk.home.work / self.files.directory.name

    def _run(self) -> None:
        owner = self.files.owner()
        if owner is None:
            self._begin()
            return
        log.info("%s: still runs in process %s, taken over", self, owner.pid)
        self._follow(owner.pid, lambda: platforms.still_runs(owner))

    def _begin(self) -> None:
        try:
            plan = self._prepare()
            self._check()
            supervisor = self._launch(plan)
        except NotBegun as reason:
            self._give_back(str(reason))
        except Interrupted:
            self._report_interruption()
        except (WrongPackage, UnsafeArchive, UnusableSource) as error:
            self._report_failure(type(error).__name__, str(error), "package_error")
        except EnvironmentFailed as error:
            self._report_failure("EnvironmentFailed", str(error), "environment_error")
        except OSError as error:
            self._give_back(f"the robot's disk or system refused: {error}")
        else:
            log.info("%s: runs in process %s", self, supervisor.pid)
            self._follow(supervisor.pid, lambda: supervisor.poll() is None)

    # Before it runs

    def _prepare(self) -> Plan:
        log.info("%s: granted, attempt %s", self, self._lease["number"])
        job_log = LogFile(self.files.log, self._desk.settings.log_limit_bytes)
        preparation = Preparation(
            desk=self._desk,
            lease=self._lease,
            files=self.files,
            mark=self.mark,
            work=self._work,
            start_by=self._record["start_by"],
            pause=self._pause,
            check=self._check,
            say=job_log.say,
        )
        try:
            return preparation.plan()
        finally:
            job_log.close()

    def _pause(self) -> None:
        time.sleep(PAUSE)
        self._check()

    def _check(self) -> None:
        if self._desk.ended.is_set():
            raise Interrupted
        if platforms.steady() >= self.deadline:
            self.ask("lost")
        if self.asked != "continue":
            raise Interrupted

    def _report_interruption(self) -> None:
        """Nothing ran, so a stop is as good as a cancel, and a robot that stops gives the lease back."""
        if self.asked in {"stop", "cancel"}:
            self._report("cancelled", None)
        elif self.asked == "kill":
            self._report_failure("Killed", "The job was killed before it began.", "killed")
        elif self.asked == "lost":
            self._report_failure("LeaseLost", "The lease was lost before the job began.", "killed")
        else:
            self._give_back("the robot takes no new work now")

    def _report_failure(self, kind: str, message: str, code: str) -> None:
        log.warning("%s: %s", self, message)
        job_log = LogFile(self.files.log, self._desk.settings.log_limit_bytes)
        job_log.say(message, "ERROR")
        job_log.close()
        self._report("failed", results.error(kind, message, code=code))

    def _report(self, outcome: str, error: Record | None) -> None:
        report = results.report(self._lease, outcome, log=logs.extent_of(self.files.log), error=error)
        outcomes.write_for_certain(self.files, report)

    def _give_back(self, reason: str) -> None:
        """Release the lease. Where that does not work it runs out by itself."""
        log.warning("%s: given back: %s", self, reason)
        backoff = client.Backoff()
        for _ in range(TRIES_TO_RELEASE):
            try:
                api.release(self._desk.http, self.lease_id, self._desk.session or "", reason)
                break
            except client.Refusal as refusal:
                log.warning("%s: could not be given back: %s", self, refusal)
                break
            except client.Trouble as trouble:
                self._desk.ended.wait(backoff.pause(trouble))
        self.files.write_delivery("released", epoch=self._desk.epoch)

    # While it runs

    def _launch(self, plan: Plan) -> subprocess.Popen[bytes]:
        spool.write_note(self.files.channel / "parameters.json", self._lease["parameters"])
        spool.write_note(self.files.channel / "items.json", {"items": self._lease.get("queue_items") or []})
        spool.write_note(self.files.launch, asdict(plan))
        with self._asking:
            self._write_control()
        with (self.files.directory / "supervisor.txt").open("ab") as said:
            return subprocess.Popen(
                itself.supervisor_command(self.files.directory),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=itself.environment(os.environ) | {platforms.MARK_OF_SUPERVISOR: self.mark},
                **platforms.apart(),
            )

    def _follow(self, pid: int, is_alive: Callable[[], bool]) -> None:
        self.is_running = True
        end = platforms.Exit(pid)
        while is_alive():
            end.wait(1.0)
            self._force_if_stuck(pid)
        end.close()
        if self.files.result() is None:
            self._report_death()

    def _force_if_stuck(self, pid: int) -> None:
        """End the job from here when its supervisor does not, because somebody stopped or froze it."""
        now = platforms.steady()
        if self.asked not in outcomes.ENDINGS and now < self.deadline:
            return
        self._should_end_at = self._should_end_at or now + self._lease["kill_grace"] + FORCE_AFTER
        if now >= self._should_end_at:
            platforms.kill_strays(self.mark)
            platforms.thaw(pid)

    def _report_death(self) -> None:
        platforms.kill_strays(self.mark)
        if self._desk.groups:
            JobGroup.of(self._desk.groups, self._lease["execution"]).remove()
        said = (self.files.directory / "supervisor.txt").read_text(errors="backslashreplace")
        message = "The process that watched over the job died, so the job was ended."
        self._report("failed", results.error("SupervisorDied", message, traceback=said))
