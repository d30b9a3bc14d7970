"""The supervisor: one small process per job, which starts the job's process and outlives the listener.

It writes the log and the result into the spool by itself, ends the job when it is asked to or when the lease runs out,
and leaves nothing of the job behind. Started as ``python -m bv_robot.runner <directory of the execution>``.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from bv_robot import deaths, keeping, outcomes, platforms, results, spool
from bv_robot.confining import Confinement
from bv_robot.deaths import Death
from bv_robot.limits import Limits
from bv_robot.logs import LogFile
from bv_robot.outcomes import Outcome
from bv_robot.output import Output
from bv_robot.spool import ExecutionFiles

CHILD = Path(__file__).with_name("child.py")
TICK = 0.2
"""Seconds between two looks at what is asked."""
MARGIN = 0.2
"""Of a lease's time to live, what lies between the deadline that is kept here and its end at the server."""
SHORT_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL, but for a cancel and a time-out, which have the grace the lease names."""
LAST_RESORT = 10.0
"""Seconds for which a process that survives SIGKILL (in the kernel's hands) is waited for."""


@dataclass(frozen=True)
class Plan:
    """How to run one job; the listener writes it, the supervisor follows it."""

    python: str
    kind: str  # "function" or "script"
    target: str
    path: list[str]
    work: str
    environment: dict[str, str]
    timeout: float | None
    kill_grace: float
    log_limit: int
    result_limit: int
    mark: str
    limits: dict[str, Any]
    group: str | None
    keeps_cores: bool
    keep_failed: dict[str, Any] | None
    orchestrator: dict[str, Any] = field(default_factory=dict)
    """Where the job finds its orchestrator, and as whom."""
    token: str | None = field(default=None, repr=False)
    """The job's own, where the server gave one."""


@dataclass
class Ending:
    """The job is being ended: why, and when asking turns into killing."""

    reason: str
    kill_at: float


def main() -> None:
    files = ExecutionFiles(Path(sys.argv[-1]))
    platforms.become_subreaper()
    if files.take_ownership(platforms.own_identity()):
        Supervision(files).carry_out()


class Supervision:
    """One job, from the start of its process to the result in the spool."""

    def __init__(self, files: ExecutionFiles) -> None:
        self._files = files
        record = files.lease()
        self._lease = record["lease"]
        self._plan = Plan(**spool.read_note(files.launch))
        self._log = LogFile(files.log, self._plan.log_limit)
        self._marker = f"\x1ebv:{secrets.token_hex(8)}:"
        self._ending: Ending | None = None
        self._told_to_end = False
        self._confinement = Confinement(
            Limits(**self._plan.limits),
            self._plan.mark,
            group=Path(self._plan.group) if self._plan.group else None,
            keeps_cores=self._plan.keeps_cores,
            say=self._log.say,
        )
        self._uses_too_much = False
        self._cpu_before, self._sampled_at = 0.0, platforms.steady()
        self._state: spool.Record = {}
        self._known_control: spool.Record = {"ask": "continue", "deadline": record["deadline"]}
        for number in platforms.STOP_SIGNALS:
            signal.signal(number, self._on_terminate)

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        self._told_to_end = True

    def carry_out(self) -> None:
        """Run the job and leave its report in the spool."""
        try:
            child = self._start()
        except OSError as error:
            told = f"The job's process could not be started: {error}"
            self._log.say(told, "ERROR")
            self._report(outcomes.failed("CannotStart", told, "environment_error"), None)
            return
        self._confinement.confine_from_outside(child.pid)
        readers = Output(self._log, self._marker).listen(child)
        death = self._watch(child)
        self._end_leftovers(child)
        for reader in readers:
            reader.join(LAST_RESORT)
        self._report(self._conclude(death), death.exit_code)

    # Starting

    def _start(self) -> subprocess.Popen[bytes]:
        self._started = platforms.steady()
        self._note_state(started=self._started)
        # The request lies in a file without a name: nobody can list it, and no pipe can fill up.
        with tempfile.TemporaryFile(dir=self._files.directory) as request:
            request.write(json.dumps(self._request()).encode())
            request.seek(0)
            return subprocess.Popen(
                [self._plan.python, str(CHILD)],
                stdin=request,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._plan.work,
                env=self._plan.environment,
                bufsize=0,
                **platforms.apart(),
            )

    def _request(self) -> dict[str, Any]:
        """What the child must know."""
        return {
            "supervisor": os.getpid(),
            "marker": self._marker,
            "kind": self._plan.kind,
            "target": self._plan.target,
            "path": self._plan.path,
            "parameters": self._lease["parameters"],
            "answer": str(self._files.channel / "answer.json"),
            "control": str(self._files.control),
            "margin": self._margin,
            "limits": self._confinement.orders(),
            "token": self._plan.token,
            "orchestrator": self._plan.orchestrator,
        }

    # Watching

    def _watch(self, child: subprocess.Popen[bytes]) -> Death:
        end = platforms.Exit(child.pid)
        sample_at = self._started + 0.5
        while (death := deaths.poll(child)) is None:
            end.wait(TICK)
            now = platforms.steady()
            self._consider_ending(child, now)
            if now >= sample_at:
                self._sample(child, now)
                sample_at = now + self._confinement.sample_every
        end.close()
        return death

    def _consider_ending(self, child: subprocess.Popen[bytes], now: float) -> None:
        control = self._control()
        if control.get("ask") in {"stop", *outcomes.ENDINGS}:
            self._tell_job()
        reason = self._reason_to_end(control, now)
        if reason and self._ending is None:
            self._ending = Ending(reason, self._kill_at(reason, now))
            self._tell_job()
            self._log.say(f"Ending the job: {(outcomes.ENDINGS | outcomes.ENDINGS_SEEN_HERE)[reason]}.", "WARN")
            platforms.ask_group_to_end(child.pid)
        elif reason and self._ending and reason != self._ending.reason:
            self._ending.kill_at = min(self._ending.kill_at, self._kill_at(reason, now))
        if self._ending and now >= self._ending.kill_at:
            self._confinement.kill()
            platforms.kill_group(child.pid)
            platforms.kill(platforms.descendants(self._plan.mark))

    def _control(self) -> spool.Record:
        """What the listener asks; the last that could be read, for on a full disk it is changed in place."""
        control = spool.read_note(self._files.control)
        if control or not self._files.control.exists():
            self._known_control = control
        return self._known_control

    def _reason_to_end(self, control: spool.Record, now: float) -> str | None:
        asked = control.get("ask")
        # Where a job's time is up the server says "kill" too, and that must not shorten its grace.
        if asked in outcomes.ENDINGS and not (asked == "kill" and self._is_out_of_time(now)):
            return str(asked)
        # Without a control file the spool was cleared under us: nobody holds the lease any more.
        if now >= control.get("deadline", 0.0):
            return "lost"
        if self._is_out_of_time(now):
            return "timeout"
        if self._uses_too_much:
            return "memory"
        return "robot_stopped" if self._told_to_end else None

    def _is_out_of_time(self, now: float) -> bool:
        return self._plan.timeout is not None and now >= self._started + self._plan.timeout

    def _kill_at(self, reason: str, now: float) -> float:
        """When asking turns into killing: at once where the lease itself is over, as after a suspended machine."""
        end_of_lease = float(self._control().get("deadline") or now) + self._margin
        whole = now + self._grace(reason)
        return max(now, min(whole, end_of_lease)) if reason == "lost" else whole

    @property
    def _margin(self) -> float:
        return float(self._lease["ttl"]) * MARGIN

    def _grace(self, reason: str) -> float:
        return self._plan.kill_grace if reason in {"cancel", "timeout"} else SHORT_GRACE

    def _tell_job(self) -> None:
        """Make ``is_cancelled()`` true."""
        try:
            (self._files.channel / "cancelled").touch()
        except OSError:  # The disk is full or the spool gone; the job is ended by signals all the same.
            return

    def _sample(self, child: subprocess.Popen[bytes], now: float) -> None:
        platforms.reap(except_for=child.pid)
        used = self._confinement.sample()
        self._uses_too_much = self._uses_too_much or self._confinement.is_exceeded(used)
        cores = max(0.0, used.cpu_seconds - self._cpu_before) / max(now - self._sampled_at, 0.001)
        self._cpu_before, self._sampled_at = used.cpu_seconds, now
        self._note_state(cpu=round(cores, 3), memory=used.memory)

    def _note_state(self, **facts: float) -> None:
        """Tell the listener what its next sync can say about this job."""
        self._state |= facts
        try:
            spool.write_note(self._files.state, self._state)
        except OSError:  # A full disk must not end the job; the figures come with the next sample.
            return

    # Ending

    def _end_leftovers(self, child: subprocess.Popen[bytes]) -> None:
        """End whatever the job left running: ask, wait a little, then kill until nothing is left."""
        left = platforms.descendants(self._plan.mark)
        if not left:
            return
        names = ", ".join(sorted({f"process {process.pid}" for process in left}))
        self._log.say(f"The job left something running, which is ended now: {names}.", "WARN")
        platforms.send([process.pid for process in left], signal.SIGTERM)
        if not self._gone_within(SHORT_GRACE, child):
            deadline = platforms.steady() + LAST_RESORT
            while platforms.steady() < deadline and not self._gone_within(TICK, child):
                self._confinement.kill()
                platforms.kill(platforms.descendants(self._plan.mark))

    def _gone_within(self, seconds: float, child: subprocess.Popen[bytes]) -> bool:
        deadline = platforms.steady() + seconds
        while platforms.descendants(self._plan.mark):
            if platforms.steady() >= deadline:
                return False
            time.sleep(0.02)
        platforms.reap(except_for=child.pid)
        return True

    def _conclude(self, death: Death) -> Outcome:
        answer = self._answer()
        if answer.get("outcome") == "completed":
            # Also when it comes while the job is being ended.
            return outcomes.completed(answer.get("result"), self._plan.result_limit)
        if self._ending:
            return self._ended(self._ending.reason)
        if death.was_killed and self._reason_to_end(self._control(), platforms.steady()) == "lost":
            return self._ended("lost")  # It ended by itself, while this process was frozen.
        if isinstance(answer.get("error"), dict):
            return self._raised(answer["error"])
        if answer:
            return Outcome("failed", error=results.too_large(self._plan.result_limit))
        if death.exit_code == 0 and self._plan.kind == "script":
            return Outcome("completed")
        if death.was_killed and (told := self._confinement.kill_by_kernel()):
            return outcomes.failed("OutOfMemory", told, "resource_limit")
        return outcomes.failed("ProcessDied", deaths.in_words(death, Path(self._plan.work)))

    def _raised(self, told: dict[str, Any]) -> Outcome:
        message, code = told["message"], told["code"]
        if told["type"] == "MemoryError" and (refusal := self._confinement.refusal()):
            message, code = refusal, "resource_limit"
        return outcomes.failed(told["type"], message, code, told["traceback"])

    def _answer(self) -> dict[str, Any]:
        path = self._files.channel / "answer.json"
        try:
            too_large = path.stat().st_size > self._plan.result_limit + 64 * 1024
        except OSError:
            return {}
        return {"too_large": True} if too_large else spool.read_note(path)

    def _ended(self, reason: str) -> Outcome:
        if reason == "timeout" or (reason == "kill" and self._is_out_of_time(platforms.steady())):
            return outcomes.timed_out(self._plan.timeout or 0.0)
        if reason == "memory":
            return outcomes.failed("OutOfMemory", self._confinement.excess(), "resource_limit")
        return outcomes.ended(reason)

    def _report(self, outcome: Outcome, exit_code: int | None) -> None:
        self._confinement.end()
        if outcome.outcome == "failed" and exit_code is not None and self._plan.keep_failed:
            work = Path(self._plan.work)
            self._log.say(*keeping.told_to_keep(self._plan.keep_failed, work, self._lease["job"]))
        while (extent := self._log.close()) is None:
            self._files.note_in_memory()
            time.sleep(1)
        usage = {
            "cpu_seconds": round(self._confinement.cpu_seconds, 3),
            "max_memory": self._confinement.max_memory,
        }
        report = results.report(
            self._lease,
            outcome.outcome,
            log=extent,
            result=outcome.result,
            error=outcome.error,
            exit_code=exit_code,
            usage=usage,
        )
        outcomes.write_for_certain(self._files, report)


if __name__ == "__main__":
    main()
