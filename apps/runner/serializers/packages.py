"""The packages that a robot may want before it is given a job."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from apps.core import statements
from apps.core.errors import NotFound
from apps.jobs.rules import eligibility
from apps.packages import services as packages
from apps.packages.models import PackageVersion
from apps.processes.models import Process
from apps.robots.models import Robot
from apps.runner.serializers.leases import package_body

#: The processes whose jobs a robot could be given, whatever it runs or is told at this moment.
_COULD_RUN = f"""
    SELECT p.id FROM robots_robot r
    JOIN robots_machine m ON m.id = r.machine_id
    JOIN processes_process p ON p.tenant_id = r.tenant_id
    LEFT JOIN robots_robotsession s ON s.robot_id = r.id AND s.ended_at IS NULL
    WHERE r.id = %(robot)s AND p.package_id IS NOT NULL
        AND coalesce(%(package)s::uuid, p.package_id) = p.package_id
        AND coalesce(p.target_robot_id, r.id) = r.id AND coalesce(p.target_machine_id, r.machine_id) = r.machine_id
        AND {eligibility.condition(only=["process_enabled", "folder", "executor", "labels", "version_floor"])}
"""


def wanted_packages(robot: Robot, named: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return what each process that a robot could run would run now; ``named`` narrows by name or id."""
    return [
        {"process": {"id": process.pk, "name": process.name}, "package": package_body(_facts(version))}
        for process, version in _pairs(robot)
        if not named or process.name.lower() in named or str(process.pk) in named
    ]


def version_for(robot: Robot, version_id: UUID, *, actor: Any) -> PackageVersion:
    """Return a version that a job of the robot names, or that one of its processes would run. Raises ``NotFound``."""
    try:
        return packages.version_for_robot(version_id, actor=actor, robot=robot)
    except NotFound:
        versions = PackageVersion.objects.filter(pk=version_id, tenant_id=robot.tenant_id)
        package = versions.values_list("package_id", flat=True).first()
        pairs = _pairs(robot, package) if package is not None else []
        wanted = next((version for _, version in pairs if version.pk == version_id), None)
        if wanted is None:
            raise
        return wanted


def _pairs(robot: Robot, package: UUID | None = None) -> list[tuple[Process, PackageVersion]]:
    """Return processes, of one package or any, with the version each would run now, with three queries."""
    facts = {"robot": robot.pk, "package": package}
    ids = [row["id"] for row in statements.fetch_named(_COULD_RUN, facts)]
    processes = Process.objects.filter(pk__in=ids).with_latest().select_related("pinned_version").order_by("name", "pk")
    runs = {process: _version_id(process.runs_version) for process in processes}
    versions = PackageVersion.objects.select_related("package").in_bulk([pk for pk in runs.values() if pk])
    return [(process, versions[pk]) for process, pk in runs.items() if pk in versions]


def _version_id(runs: Any) -> UUID | None:
    if runs is None:
        return None
    return UUID(runs["id"]) if isinstance(runs, dict) else runs.pk


def _facts(version: PackageVersion) -> dict[str, Any]:
    return {
        "version_id": version.pk,
        "package_name": version.package.name,
        "package_version_number": version.version,
        "package_sha256": version.sha256,
        "size_bytes": version.size_bytes,
        "python_version": version.python_version,
    }
