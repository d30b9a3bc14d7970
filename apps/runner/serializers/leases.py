"""A lease as robots see it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core import statements

MEBIBYTE = 1024 * 1024

_LEASES = """
    SELECT e.id, e.lease_id, e.number, e.folder_id, f.name AS folder, n.slug AS tenant,
        extract(epoch FROM e.granted_at - j.available_at)::float AS waited,
        j.id AS job, j.lease_ttl, j.timeout, j.kill_grace, j.kind, j.executor, j.parameters, j.script_path,
        j.entrypoint_name, j.command, j.package_name, j.package_version_number, j.package_sha256,
        p.id AS process_id, p.name AS process, p.memory_limit, p.cpu_limit, p.niceness,
        v.id AS version_id, v.size_bytes, v.python_version, owned.items
    FROM jobs_execution e
    JOIN jobs_job j ON j.id = e.job_id
    JOIN tenancy_folder f ON f.id = e.folder_id
    JOIN tenancy_tenant n ON n.id = e.tenant_id
    JOIN processes_process p ON p.id = j.process_id
    LEFT JOIN packages_packageversion v ON v.id = j.package_version_id
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('id', i.id, 'lease', l.lease_id, 'queue', i.queue_id,
                'reference', i.reference, 'payload', i.payload, 'priority', i.priority, 'deadline', i.deadline,
                'attempt', i.attempt) ORDER BY i.priority DESC, i.deadline ASC NULLS LAST, i.id) AS items
        FROM queues_itemlease l JOIN queues_queueitem i ON i.id = l.item_id
        WHERE l.execution_id = e.id AND l.closed_at IS NULL AND i.reserved_for = j.id) owned ON true
    WHERE e.id = ANY(%(executions)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """What a robot is given, and for how many seconds the job had waited for it."""

    body: dict[str, Any]
    waited: float


def leases_of(executions: Iterable[UUID]) -> dict[UUID, Lease]:
    """Return the leases of executions, by execution id, with one query."""
    wanted = list(executions)
    rows = statements.fetch_named(_LEASES, {"executions": wanted}) if wanted else []
    return {row["id"]: Lease(_body(row), row["waited"]) for row in rows}


def _body(row: dict[str, Any]) -> dict[str, Any]:
    """Return everything a robot needs to run the job, and nothing it has no use for."""
    items = json.loads(row["items"] or "[]")
    return {
        "lease": row["lease_id"],
        "job": row["job"],
        "execution": row["id"],
        "number": row["number"],
        "ttl": row["lease_ttl"],
        "start_within": 2 * row["lease_ttl"],
        "timeout": row["timeout"],
        "kill_grace": row["kill_grace"],
        "limits": _limits(row),
        "effect_key": f"job:{row['job']}",
        "kind": row["kind"],
        "executor": row["executor"],
        "tenant": row["tenant"],
        "folder": {"id": row["folder_id"], "name": row["folder"]},
        "process": {"id": row["process_id"], "name": row["process"]},
        "parameters": json.loads(row["parameters"]),
        "queue_item_ids": [item["id"] for item in items],
        "queue_items": items,
        "entrypoint": {"name": row["entrypoint_name"], "command": row["command"]},
        "script_path": row["script_path"] or None,
        "package": package_body(row) if row["version_id"] else None,
    }


def _limits(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a job may use of its machine, in bytes, cores and steps of niceness; null is the robot's to say."""
    memory = row["memory_limit"]
    return {"memory": memory and memory * MEBIBYTE, "cpu": row["cpu_limit"], "nice": row["niceness"]}


def package_body(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a robot is told of the package that it shall run."""
    return {
        "id": row["version_id"],
        "name": row["package_name"],
        "version": row["package_version_number"],
        "sha256": row["package_sha256"],
        "size": row["size_bytes"],
        "python_version": row["python_version"],
        "download_url": f"/api/v1/runner/packages/{row['version_id']}/download",
    }
