"""Child jobs, as the job that starts them asks for and sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.jobs.models import Job
from apps.jobs.services import Wanted
from apps.runner.serializers.robots import Body, signed, table

LONGEST_NAME = 200


def read_wanted(data: Mapping[str, Any]) -> tuple[str, Wanted]:
    """Read which process shall run, by name or id, and with what. Raises ``Invalid`` naming each wrong field."""
    body = Body(data)
    process = body.take("process", _name, "the name or the id of a process")
    wanted = Wanted(
        parameters=body.take("parameters", table, "an object", default={}),
        priority=body.take("priority", signed, "a whole number", default=None),
        dedupe_key=body.take("dedupe_key", _name, "a text of at most 200 characters", default=""),
    )
    body.done()
    return process, wanted


def started_body(child: Job) -> dict[str, Any]:
    """Return what a job learns of one that it has just started."""
    process = {"id": child.process_id, "name": child.process.name}
    return {"id": child.pk, "status": child.status, "process": process, "depth": child.depth}


def child_body(child: Any) -> dict[str, Any]:
    """Return how a child is, read ``with_latest_execution``."""
    latest = child.latest_execution or {}
    return {
        **started_body(child),
        "reason": child.reason,
        "result": child.result,
        "error": child.error,
        "progress": latest.get("progress"),
    }


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise ValueError(value)
    return value
