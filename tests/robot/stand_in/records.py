"""What the stand-in orchestrator knows: jobs and their executions."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any


def new_execution_id() -> str:
    return str(uuid.uuid4())


@dataclass
class Artefact:
    content: bytes
    content_type: str


@dataclass
class Execution:
    lease_id: str
    job: Job
    number: int
    session: str
    wish: str
    id: str = field(default_factory=lambda: new_execution_id())
    status: str = "open"
    is_started: bool = False
    log: bytearray = field(default_factory=bytearray)
    report: dict[str, Any] | None = None
    renewals: list[dict[str, Any]] = field(default_factory=list)
    artefacts: dict[str, Artefact] = field(default_factory=dict)
    spans: list[dict[str, Any]] = field(default_factory=list)

    def lines(self) -> list[dict[str, Any]]:
        """The log, line by line."""
        return [json.loads(line) for line in self.log.decode().splitlines()]

    def messages(self, *streams: str) -> list[str]:
        """What the lines say, of some streams or of all."""
        return [line["m"] for line in self.lines() if not streams or line["s"] in streams]


@dataclass
class Job:
    lease: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "pending"
    ask: str = "continue"
    executions: list[Execution] = field(default_factory=list)
    max_attempts: int = 3
    parent: Job | None = None

    @property
    def last(self) -> Execution:
        return self.executions[-1]

    @property
    def report(self) -> dict[str, Any]:
        """What the robot last reported and the server accepted."""
        assert self.last.report is not None
        return self.last.report
