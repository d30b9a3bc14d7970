"""A robot played by hand through the services, which a running one can stand in for."""

from __future__ import annotations

import json
import uuid
import zlib
from typing import Any, Protocol

from django.utils import timezone

from apps.jobs import services as jobs
from apps.jobs.models import Execution
from apps.jobs.rules.reports import End
from apps.robots.models import Machine
from tests import make


class AtWork(Protocol):
    """What these tests need of a robot, however it is made: to take the next job, write, and end."""

    def take(self) -> None:
        """Take the next job and begin it."""

    def write(self, *lines: tuple[str, str]) -> None:
        """Write lines, each with its level, into its log."""

    def end(self, outcome: End, **told: Any) -> None:
        """Say how it ended."""


class ByHand:
    """A robot whose every step the test takes."""

    def __init__(self, machine: Machine) -> None:
        self.robot = make.robot(machine, name="robot-1")
        self.session = make.session(self.robot)
        self.actor = make.acting(self.robot)
        self.execution: Execution

    def take(self) -> None:
        self.execution = jobs.start_execution(make.claimed(self.session), actor=self.actor)

    def write(self, *lines: tuple[str, str]) -> None:
        self.execution.refresh_from_db()
        now = timezone.now().isoformat()
        data = b"".join(json.dumps({"t": now, "l": level, "m": text}).encode() + b"\n" for level, text in lines)
        offset = self.execution.log_length
        jobs.append_log(self.execution, actor=self.actor, offset=offset, data=data, crc32=zlib.crc32(data))

    def end(self, outcome: End, **told: Any) -> None:
        self.execution.refresh_from_db()
        report = jobs.Report(
            job_id=self.execution.job_id,
            number=self.execution.number,
            outcome=outcome,
            digest=uuid.uuid4().hex * 2,
            log_length=self.execution.log_length,
            log_crc32=self.execution.log_crc32,
            **told,
        )
        jobs.finish_execution(self.robot, actor=self.actor, lease_id=self.execution.lease_id, report=report)
