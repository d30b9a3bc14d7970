"""A lease as robots see it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from apps.jobs.models import Execution

_RELATED = ("job__process", "job__package_version", "folder", "tenant")


def executions_with_jobs(executions: Iterable[UUID]) -> list[Execution]:
    """Return executions with all that their leases tell, by one query."""
    wanted = list(executions)
    return list(Execution.objects.filter(pk__in=wanted).select_related(*_RELATED)) if wanted else []


def lease_body(execution: Execution) -> dict[str, Any]:
    """Return one lease: everything a robot needs to run the job, and nothing it has no use for."""
    job = execution.job
    return {
        "lease": execution.lease_id,
        "job": job.pk,
        "execution": execution.pk,
        "number": execution.number,
        "ttl": job.lease_ttl,
        "start_within": 2 * job.lease_ttl,
        "timeout": job.timeout,
        "kill_grace": job.kill_grace,
        "effect_key": f"job:{job.pk}",
        "kind": job.kind,
        "executor": job.executor,
        "tenant": execution.tenant.slug,
        "folder": {"id": execution.folder_id, "name": execution.folder.name},
        "process": {"id": job.process_id, "name": job.process.name},
        "parameters": job.parameters,
        "queue_item_ids": [],
        "entrypoint": {"name": job.entrypoint_name, "command": job.command},
        "script_path": job.script_path or None,
        "package": _package(execution),
    }


def _package(execution: Execution) -> dict[str, Any] | None:
    job, version = execution.job, execution.job.package_version
    if version is None:
        return None
    return {
        "id": version.pk,
        "name": job.package_name,
        "version": job.package_version_number,
        "sha256": job.package_sha256,
        "size": version.size_bytes,
        "python_version": version.python_version,
        "download_url": f"/api/v1/runner/packages/{version.pk}/download",
    }
