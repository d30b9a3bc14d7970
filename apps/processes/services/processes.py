"""Making and changing processes."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F

from apps.assets.models import Asset
from apps.audit import services as audit
from apps.configuration.models import Setting
from apps.core import bin
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.packages.models import PackageVersion
from apps.packages.rules import parameters as parameter_rules
from apps.processes.models import NothingToRun, Process, VersionPolicy
from apps.processes.services import _bindings
from apps.rbac import services as rbac
from apps.robots import rules as robot_rules
from apps.tenancy.models import Folder

#: What a caller may set, beside ``may_start`` and ``may_use``; everything else about a process follows from these.
SETTABLE = (
    "name", "description", "package", "entrypoint_name", "version_policy", "pinned_version", "script_path",
    "parameters", "priority", "timeout", "start_by", "max_attempts", "backoff_base", "backoff_cap", "backoff_jitter",
    "on_lost", "lease_ttl", "kill_grace", "required_labels", "target_machine", "target_robot", "concurrency_limit",
    "limit_parameter", "limit_per_value", "robot_version_floor", "memory_limit", "cpu_limit", "niceness", "enabled",
    "retention_days",
)  # fmt: skip

#: Changing one of these decides anew which parameters there are.
_DECIDING_PARAMETERS = frozenset(
    {"parameters", "package", "entrypoint_name", "version_policy", "pinned_version", "limit_parameter"}
)


#: Changing one of these lets its jobs run other code.
_WHAT_RUNS = frozenset({"package", "version_policy", "pinned_version", "entrypoint_name", "script_path"})

#: What a process of a script cannot have, and how it says so.
_OF_PACKAGES = {"version_policy": VersionPolicy.NEWEST, "pinned_version": None, "entrypoint_name": ""}
_DRIVE = re.compile(r"[A-Za-z]:")


@transaction.atomic
def create_process(
    folder: Folder, *, actor: Actor, may_start: Iterable[Process] = (), may_use: Iterable[Asset] = (), **fields: Any
) -> Process:
    """Make a process in ``folder`` from any of ``SETTABLE``. Raises ``Invalid`` naming each wrong field.

    ``may_start``: the processes of which its jobs may start jobs; the actor itself must be allowed to run them.
    ``may_use``: the assets with secrets that its jobs are given; the actor must be allowed to use them.
    """
    rbac.require(actor, "processes.add_process", folder)
    process = Process(folder=folder, tenant_id=folder.tenant_id)
    usual = Setting.objects.lately("jobs", folder.tenant_id)
    _fill(process, {"max_attempts": usual["max_attempts"], **fields})
    _save(process)
    _bindings.let_start(process, may_start, actor)
    _bindings.let_use(process, may_use, actor)
    audit.record(actor, "process.created", process, after=_facts(process))
    events.record("process.created", process)
    return process


@transaction.atomic
def update_process(
    process: Process,
    *,
    actor: Actor,
    may_start: Iterable[Process] | None = None,
    may_use: Iterable[Asset] | None = None,
    **fields: Any,
) -> Process:
    """Change any of ``SETTABLE``; jobs already made keep what they were made for, limits apply at once.

    ``may_start`` and ``may_use`` replace what its jobs may start and use, but for what the actor may not see; ``None``
    leaves them.
    """
    rbac.require(actor, "processes.change_process", process)
    _lock(process)
    before = _facts(process)
    _fill(process, fields)
    if any(before[name] != value for name, value in _facts(process).items() if name in _WHAT_RUNS):
        _bindings.require_use(process, actor)
    process.revision += 1
    _save(process)
    if may_start is not None:
        _bindings.let_start(process, may_start, actor)
    if may_use is not None:
        _bindings.let_use(process, may_use, actor)
    audit.record(actor, "process.updated", process, before=before, after=_facts(process))
    events.record("process.updated", process)
    return process


@transaction.atomic
def upgrade_process(process: Process, *, actor: Actor, version: PackageVersion | None = None) -> Process:
    """Pin a process to ``version``, or to the newest active one; an older version rolls it back."""
    rbac.require(actor, "processes.change_process", process)
    _lock(process)
    if process.package is None:
        raise Conflict("This process runs a script; there is no version to change.")
    _bindings.require_use(process, actor)
    version = version or process.package.newest_version()
    if version is None:
        raise NothingToRun(f"“{process.package.name}” has no active version.")
    before = _facts(process)
    _fill(process, {"version_policy": VersionPolicy.PINNED, "pinned_version": version})
    process.revision += 1
    _save(process)
    audit.record(actor, "process.upgraded", process, before=before, after=_facts(process))
    events.record("process.upgraded", process, data={"version": version.version})
    return process


@transaction.atomic
def enable_process(process: Process, *, actor: Actor) -> Process:
    """Let the jobs of a process start again."""
    return _switch(process, actor, enabled=True)


@transaction.atomic
def disable_process(process: Process, *, actor: Actor, reason: str = "") -> Process:
    """Keep the jobs of a process waiting; what runs goes on."""
    return _switch(process, actor, enabled=False, reason=reason)


@transaction.atomic
def delete_process(process: Process, *, actor: Actor) -> None:
    """Take a process out of every list; its jobs and their history stay. Refused while jobs are unfinished."""
    rbac.require(actor, "processes.delete_process", process)
    if process.jobs.filter(status__in=["pending", "waiting", "running", "cancelling"]).exists():
        raise Conflict(f"“{process.name}” has unfinished jobs. Cancel them or let them end.", code="has_jobs")
    bin.put(process, by=actor)
    audit.record(actor, "process.deleted", process, before=_facts(process))
    events.record("process.deleted", process)


@transaction.atomic
def restore_process(process: Process, *, actor: Actor, name: str | None = None) -> Process:
    """Take a process back out of the bin; its triggers fire again. Refused while its package is gone.

    Raises ``Conflict`` as ``bin.take_back`` does.
    """
    rbac.require(actor, "processes.delete_process", process)
    bin.refuse_if_gone(process.package, "Its package")
    bin.take_back(process, name=name)
    audit.record(actor, "process.restored", process, after=_facts(process))
    events.record("process.restored", process)
    return process


def _lock(process: Process) -> None:
    """Read a process again and hold it, so that two changes at once do not undo each other."""
    process.refresh_from_db(from_queryset=Process.objects.select_for_update(of=("self",)))


def _facts(process: Process) -> dict[str, Any]:
    """Return what of a process is worth comparing in the audit trail."""
    values = {name: getattr(process, name) for name in SETTABLE}
    facts = {name: str(value.pk) if hasattr(value, "pk") else value for name, value in values.items()}
    return facts | _bindings.facts_of(process)


def _fill(process: Process, fields: dict[str, Any]) -> None:
    if unknown := set(fields) - set(SETTABLE):
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in sorted(unknown)])
    for name, value in fields.items():
        setattr(process, name, value)
    process.name = process.name.strip()
    process.required_labels = robot_rules.normalise_labels(process.required_labels)
    if process.version_policy == VersionPolicy.NEWEST:
        process.pinned_version = None
    if process.package is None:
        _forget_package(process, except_for=fields)
    problems = [*_field_problems(process), *_reference_problems(process), *_source_problems(process)]
    if not problems and not _DECIDING_PARAMETERS.isdisjoint(fields):
        problems = _parameter_problems(process)
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems)


def _forget_package(process: Process, *, except_for: Container[str]) -> None:
    """Leave behind what only a package has, but for what is asked for now: that is refused by name."""
    for name, nothing in _OF_PACKAGES.items():
        if name not in except_for:
            setattr(process, name, nothing)


def _field_problems(process: Process) -> list[Problem]:
    try:
        process.clean_fields(
            exclude=["folder", "tenant", "package", "pinned_version", "target_machine", "target_robot"]
        )
    except ValidationError as error:
        return [Problem(field, text) for field, texts in error.message_dict.items() for text in texts]
    problems = [
        Problem("required_labels", f"“{label}” is not a label.")
        for label in robot_rules.wrong_labels(process.required_labels)
    ]
    if not isinstance(process.parameters, dict):
        problems.append(Problem("parameters", "must be an object of names and values."))
    if bool(process.limit_parameter) != (process.limit_per_value is not None):
        problems.append(Problem("limit_per_value", "name the parameter and its limit, or neither."))
    return problems


def _reference_problems(process: Process) -> list[Problem]:
    """Refuse rows of another tenant and rows that are gone; the database would refuse the first as well."""
    problems = []
    for name in ("package", "pinned_version", "target_machine", "target_robot"):
        row = getattr(process, name)
        if row is not None and (row.tenant_id != process.tenant_id or row.deleted_at is not None):
            problems.append(Problem(name, "does not exist in this tenant.", "unknown"))
    return problems


def _source_problems(process: Process) -> list[Problem]:
    if (process.package is None) == (not process.script_path):
        return [Problem("package", "name a package, or a script path: exactly one of them.")]
    if process.package is None:
        return _script_problems(process)
    if process.version_policy == VersionPolicy.PINNED:
        pinned = process.pinned_version
        if pinned is None or pinned.package_id != process.package_id:
            return [Problem("pinned_version", "choose a version of the package.")]
    return _entrypoint_problems(process)


def _script_problems(process: Process) -> list[Problem]:
    path = process.script_path.replace("\\", "/")
    problems = [
        Problem(name, "is of packages only; this process runs a script.")
        for name, nothing in _OF_PACKAGES.items()
        if getattr(process, name) != nothing
    ]
    if path.startswith("/") or _DRIVE.match(path) or ".." in path.split("/") or not path.isprintable():
        problems.append(Problem("script_path", "must be relative and printable, without “..”."))
    return problems


def _entrypoint_problems(process: Process) -> list[Problem]:
    try:
        version = process.version_to_run()
        process.kind = version.kind
        process.entrypoint_to_run(version)
    except NothingToRun as refusal:
        field = refusal.extra.get("field", "package")
        return [Problem(field, str(refusal), "unknown")] if process._state.adding or process.enabled else []
    return []


def _parameter_problems(process: Process) -> list[Problem]:
    """Say which defaults do not fit the entrypoint; what it requires may be left to each job."""
    if process.package is None:
        return []
    try:
        schema = process.entrypoint_to_run(process.version_to_run()).input_schema
    except NothingToRun:
        return []
    told = parameter_rules.problems({**schema, "required": []}, process.parameters)
    problems = [Problem(f"parameters.{path}" if path else "parameters", message) for path, message in told]
    is_closed = schema.get("additionalProperties") is False
    if process.limit_parameter and is_closed and process.limit_parameter not in schema.get("properties", {}):
        problems.append(Problem("limit_parameter", "is not a parameter of the entrypoint.", "unknown"))
    return problems


def _save(process: Process) -> None:
    try:
        with transaction.atomic():
            process.save()
    except IntegrityError as error:
        if "process_name_free" not in str(error):
            raise
        message = f"There is a process “{process.name}” in this folder already."
        raise Conflict(message, code="name_taken", field="name") from error


def _switch(process: Process, actor: Actor, *, enabled: bool, reason: str = "") -> Process:
    rbac.require(actor, "processes.change_process", process)
    if Process.objects.filter(pk=process.pk, enabled=not enabled).update(enabled=enabled, revision=F("revision") + 1):
        action = "process.enabled" if enabled else "process.disabled"
        audit.record(actor, action, process, reason=reason)
        events.record(action, process)
    process.refresh_from_db()
    return process
