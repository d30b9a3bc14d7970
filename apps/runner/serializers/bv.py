"""What existing BV runners send and read. The one place where their words are translated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from apps.core import masking
from apps.core.api.strict_json import parse_json_bytes
from apps.core.errors import Invalid
from apps.jobs.models import Execution
from apps.jobs.rules import loglines
from apps.queues.models import owned_under
from apps.robots.models import Machine, Robot
from apps.runner.serializers.robots import Body, table, text, uuid

HEARTBEAT_TIMEOUT = 30
LONGEST_LINE = 64 * 1024
#: Their levels, in our spelling.
LEVELS = {"TRACE": "TRACE", "DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARN", "WARNING": "WARN", "ERROR": "ERROR"}


def read_machine(data: Mapping[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    """Read who a machine says it is: key, signature, name, info."""
    body = Body(data)
    key = body.take("machine_key", text, "the machine's key")
    signature = body.take("machine_signature", lambda value: text(value, 1000), "a text that identifies this host")
    name = body.take("machine_name", text, "a text", default="")
    info = body.take("machine_info", table, "an object", default={})
    body.done()
    return key, signature, name, info


def read_presence(data: Mapping[str, Any], robot: Robot) -> tuple[str, dict[str, Any]]:
    """Read a heartbeat or a poll: the host's signature and facts. A robot id that is another's is refused."""
    body = Body(data)
    signature = body.take("machine_signature", lambda value: text(value, 1000), "a text that identifies this host")
    info = body.take("machine_info", table, "an object", default={})
    claimed = body.take("robot_id", uuid, "the robot's id, a UUID", default=None)
    body.done()
    if claimed is not None and claimed != robot.pk:
        raise Invalid.field("robot_id", "is not the robot whose token this is.")
    return signature, info


def read_update(data: Mapping[str, Any]) -> tuple[bool, Any, str, list[bytes]]:
    """Read the report of a job's end: whether it completed, its result, the error, and lines of log."""
    body = Body(data)
    completed = body.take("status", {"completed": True, "failed": False}.__getitem__, "completed or failed")
    error_message = body.take("error_message", lambda value: text(value, 10_000), "a text", default="")
    body.done()
    said = masking.mask_tokens_in_text(error_message)
    return completed, _result(data.get("result")), said, _lines(data.get("logs"))


def read_line(data: Mapping[str, Any]) -> bytes:
    """Read one line of log in their shape and write it in ours."""
    body = Body(data)
    at = body.take("timestamp", _moment, "a time in ISO 8601")
    level = body.take("level", lambda value: LEVELS[str(value).upper()], "TRACE, INFO, WARN or ERROR")
    message = body.take("message", lambda value: text(value, LONGEST_LINE), "a text")
    body.done()
    return loglines.make_line(at, level, message, "log")


def machine_body(machine: Machine) -> dict[str, Any]:
    """What a runner learns when its machine connects."""
    return {
        "machine_id": machine.pk,
        "status": "connected",
        "last_seen_at": machine.last_seen_at,
        "heartbeat_timeout_seconds": HEARTBEAT_TIMEOUT,
    }


def assigned_robot_body(robot: Any, token: str) -> dict[str, Any]:
    """One robot of a machine, read ``with_status``, with the token that follows from the machine's key."""
    return {
        "id": robot.pk,
        "name": robot.name,
        "machine_id": robot.machine_id,
        "status": "connected" if robot.is_online else "disconnected",
        "username": None,
        "password": None,
        "last_heartbeat": robot.last_seen_at,
        "api_token": token,
    }


def job_body(execution: Execution, root: str) -> dict[str, Any]:
    """A job as older runners know it. Its ``id`` is the lease: their later calls are fenced without their knowing."""
    job, version = execution.job, execution.job.package_version
    package = version and {
        "id": version.pk,
        "name": job.package_name,
        "version": job.package_version_number,
        "hash": job.package_sha256,
        "size_bytes": version.size_bytes,
        "download_url": f"{root}/runner/packages/{version.pk}/download",
    }
    process = {
        "id": job.process_id,
        "name": job.process.name,
        "script_path": job.script_path or None,
        "entrypoint_name": job.entrypoint_name or None,
        "package_id": version.pk if version else None,
    }
    return {
        "id": execution.lease_id,
        "execution_id": execution.pk,
        "status": "running",
        "parameters": job.parameters,
        "queue_item_ids": owned_under(execution.pk),
        "process": process,
        "package": package,
        "entrypoint_name": job.entrypoint_name or None,
    }


def _result(value: Any) -> Any:
    """Text that holds JSON that can be kept is read; other text becomes an object."""
    if not isinstance(value, str):
        return value
    raw = value.encode()
    try:
        read = parse_json_bytes(raw, limit=len(raw), node_limit=len(raw), string_limit=len(raw))
    except Invalid:
        return {"text": value}
    return read if value.strip() else {"text": value}


def _lines(value: Any) -> list[bytes]:
    entries = value if isinstance(value, list) else str(value).splitlines() if value else []
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return [
        loglines.make_line(now, "INFO", (entry if isinstance(entry, str) else json.dumps(entry))[:LONGEST_LINE], "log")
        for entry in entries[:10_000]
    ]


def _moment(value: Any) -> str:
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
