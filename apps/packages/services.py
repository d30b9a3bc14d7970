"""Publishing package versions, and taking them out of use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import Storage, storages
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core import bin, ids
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound, Problem
from apps.events import services as events
from apps.packages.models import Entrypoint, Package, PackageVersion
from apps.packages.rules.manifests import Manifest, identity
from apps.packages.rules.problems import Problem as FileProblem
from apps.packages.rules.problems import shown
from apps.packages.rules.validation import Report
from apps.rbac import services as rbac
from apps.tenancy.models import Folder

#: The part of the store in which uploads lie until they are published.
UPLOADS = ".uploads"
#: How long the file of a deleted version stays.
DELETED_FILES_KEPT = timedelta(days=30)


class PackageRefused(Invalid):
    """The file is no package we can run; ``problems`` in the answer lists every reason with its file and line."""

    code = "package_refused"


class AlreadyPublished(Conflict):
    """This name and version, or this very content, is here already. A version never changes."""

    code = "already_published"


class InUse(Conflict):
    """Something still needs it."""

    code = "in_use"


@transaction.atomic
def publish_version(
    folder: Folder, *, actor: Actor, report: Report, file: IO[bytes], name: str = "", version: str = ""
) -> PackageVersion:
    """Publish a validated file as a new version of the package it names, which is made if need be.

    The file reaches its final, random name before the rows are committed: killed in between, it is an orphan that the
    sweep removes, never half a version. ``name`` and ``version`` are what the sender says the file holds, if anything.
    Raises ``PackageRefused`` with every problem, and ``AlreadyPublished``.
    """
    rbac.require(actor, "packages.upload_package", folder)
    manifest = _accepted(report, name, version)
    package = _package_named(folder, manifest)
    made = _new_version(package, manifest, report, actor)
    made.storage_name = storage().save(made.storage_name, _movable(file))
    try:
        with transaction.atomic():
            made.save()
            Entrypoint.objects.bulk_create(_entrypoints(made, report))
    except IntegrityError as error:
        storage().delete(made.storage_name)
        if not (reason := _reason_taken(package, manifest, report)):
            raise
        raise AlreadyPublished(reason) from error
    Package.objects.filter(pk=package.pk).update(description=manifest.description[:2000], kind=manifest.kind.value)
    audit.record(actor, "package.uploaded", made, after={"version": made.version, "sha256": made.sha256})
    events.record("package.published", made, data={"package": str(package.pk), "version": made.version})
    return made


@transaction.atomic
def deactivate_version(version: PackageVersion, *, actor: Actor, reason: str = "") -> PackageVersion:
    """Keep a version from being used by new jobs; jobs made for it still run."""
    return _switch(version, actor, is_active=False, reason=reason)


@transaction.atomic
def activate_version(version: PackageVersion, *, actor: Actor) -> PackageVersion:
    """Let new jobs use a version again."""
    return _switch(version, actor, is_active=True)


@transaction.atomic
def delete_version(version: PackageVersion, *, actor: Actor) -> None:
    """Take a version out of every list. Jobs made for it still run; its number is never used again.

    Raises ``InUse``.
    """
    rbac.require(actor, "packages.delete_package", version)
    _refuse_needed(version)
    PackageVersion.objects.filter(pk=version.pk).update(deleted_at=Now(), is_active=False)
    audit.record(actor, "package.version_deleted", version, before={"version": version.version})
    events.record("package.version_deleted", version)


@transaction.atomic
def delete_package(package: Package, *, actor: Actor) -> None:
    """Take a package and its versions out of every list; the name is free again. Raises ``InUse``."""
    rbac.require(actor, "packages.delete_package", package)
    if names := list(_users_of(package).values_list("name", flat=True)[:5]):
        raise InUse(f"“{package.name}” is used by {', '.join(names)}. Change or delete those first.")
    for version in package.versions.filter(deleted_at=None):
        _refuse_needed(version)
    bin.put(package, by=actor)
    # The same moment says which versions went with it, and come back with it.
    package.refresh_from_db(fields=["deleted_at"])
    package.versions.filter(deleted_at=None).update(deleted_at=package.deleted_at)
    audit.record(actor, "package.deleted", package, before={"name": package.name})
    events.record("package.deleted", package)


@transaction.atomic
def restore_package(package: Package, *, actor: Actor, name: str | None = None) -> Package:
    """Take a package back out of the bin, with the versions that were deleted with it, as active as they were.

    Raises ``Conflict`` as ``bin.take_back`` does, and where the file of a version was published again meanwhile.
    """
    rbac.require(actor, "packages.delete_package", package)
    if name is not None and (problem := identity.name_problem(name.strip())):
        raise Invalid.field("name", problem)
    package.refresh_from_db(fields=["deleted_at"])
    versions = package.versions.filter(deleted_at=package.deleted_at)
    mine = versions.values("sha256")
    again = PackageVersion.objects.alive().filter(folder=package.folder, sha256__in=mine).first()
    if package.is_in_bin and again is not None:
        raise Conflict(f"A file of “{package.name}” was published again, as {again}.", code="published_again")
    versions.update(deleted_at=None)
    bin.take_back(package, name=name)
    audit.record(actor, "package.restored", package, after={"name": package.name})
    events.record("package.restored", package)
    return package


@transaction.atomic
def note_download(version: PackageVersion, *, actor: Actor) -> None:
    """Write down that a person or program took the file."""
    rbac.require(actor, "packages.download_packageversion", version)
    audit.record(actor, "package.downloaded", version, after={"version": version.version})


@transaction.atomic
def sweep_files(before: datetime, *, actor: Actor) -> int:
    """Remove files older than ``before`` that no living version names: left by a kill, or of a deleted version."""
    rbac.require(actor, "packages.delete_package", rbac.EVERYWHERE)
    old = [name for name in _stored_names() if _is_older(name, before)]
    kept = set(_named_files()) if old else set()
    removed = [name for name in old if name not in kept]
    for name in removed:
        storage().delete(name)
    if removed:
        audit.record(actor, "package.orphans_removed", None, after={"files": len(removed)})
    return len(removed)


def storage() -> Storage:
    """Return where package files lie."""
    return storages["packages"]


def open_file(version: PackageVersion) -> IO[bytes]:
    """Open a version's file for reading. Raises ``NotFound`` where it is gone."""
    try:
        return storage().open(version.storage_name)
    except FileNotFoundError as error:
        raise NotFound(f"The file of {version} is missing. Restore it, or upload a new version.") from error


def version_for_robot(version_id: Any, *, actor: Actor, robot: Any) -> PackageVersion:
    """Return a version that an open execution of this robot needs. Raises ``NotFound``."""
    needed = robot.executions.filter(status="running", job__package_version_id=version_id)
    version = PackageVersion.objects.select_related("package").filter(pk=version_id, tenant_id=robot.tenant_id).first()
    if version is None or not needed.exists():
        raise NotFound("No running job of this robot needs this package.", code="unknown")
    return version


def upload_folder() -> Path | None:
    """Return where to keep files that are on their way in: on the disk of the store, and under the eye of its sweep.

    ``None`` where packages are not kept on a disk of this machine.
    """
    try:
        return Path(storage().path(UPLOADS))
    except NotImplementedError:
        return None


def _movable(file: IO[bytes]) -> File:
    """Return a file that the store can take by renaming it, if it lies on a disk and is still there."""
    if isinstance(file, TemporaryUploadedFile) and Path(file.temporary_file_path()).exists():
        return file
    return File(file)


def _accepted(report: Report, name: str, version: str) -> Manifest:
    """Return what a file says of itself. Raises ``PackageRefused`` with every problem."""
    problems = [*report.problems, *_contradictions(report.manifest, name, version)]
    if problems or report.manifest is None:
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise PackageRefused(
            f"The package has {count}.",
            problems=[Problem(_place(problem), problem.message, problem.code) for problem in problems],
            problems_found=[problem.as_json() for problem in problems],
        )
    return report.manifest


def _contradictions(manifest: Manifest | None, name: str, version: str) -> Iterator[FileProblem]:
    """Yield where the sender says something else than the file."""
    said = {"name": (name, manifest.name), "version": (version, manifest.version)} if manifest else {}
    for what, (told, found) in said.items():
        if told and told != found:
            message = f"Provided {what} '{shown(told)}' does not match bvproject.yaml {what} '{found}'"
            yield FileProblem(f"{what}_mismatch", message, file="bvproject.yaml")


def _place(problem: Any) -> str:
    return ":".join(str(part) for part in (problem.file, problem.line) if part) or "file"


def _package_named(folder: Folder, manifest: Manifest) -> Package:
    known = Package.objects.alive().filter(folder=folder, name__iexact=manifest.name).first()
    if known is not None:
        if known.name != manifest.name:
            raise AlreadyPublished(f"The package is called “{known.name}” here. Names differing in case are one.")
        return known
    try:
        with transaction.atomic():
            return Package.objects.create(
                folder=folder, tenant_id=folder.tenant_id, name=manifest.name, kind=manifest.kind.value
            )
    except IntegrityError:
        return Package.objects.alive().get(folder=folder, name__iexact=manifest.name)


def _new_version(package: Package, manifest: Manifest, report: Report, actor: Actor) -> PackageVersion:
    major, minor, patch = (int(number) for number in manifest.version.split("."))
    identity = ids.uuid7()
    return PackageVersion(
        id=identity,
        tenant_id=package.tenant_id,
        folder_id=package.folder_id,
        package=package,
        version=manifest.version,
        major=major,
        minor=minor,
        patch=patch,
        kind=manifest.kind.value,
        description=manifest.description[:2000],
        python_version=manifest.python_version[:50],
        sha256=report.sha256,
        size_bytes=report.size,
        storage_name=f"{package.tenant_id}/{identity}.bvpackage",
        manifest={"lock_sha256": manifest.lock_sha256, "root": manifest.root, "unpacked_size": report.unpacked_size},
        warnings=[problem.as_json() for problem in report.warnings],
        uploaded_by=str(actor)[:200],
    )


def _entrypoints(version: PackageVersion, report: Report) -> list[Entrypoint]:
    return [
        Entrypoint(
            tenant_id=version.tenant_id,
            version=version,
            name=read.entrypoint.name,
            command=read.entrypoint.command,
            is_default=read.entrypoint.is_default,
            description=read.signature.description,
            input_schema=read.signature.input_schema,
            output_schema=read.signature.output_schema,
            signature=read.signature.as_wire()["parameters"],
        )
        for read in report.entrypoints
    ]


def _reason_taken(package: Package, manifest: Manifest, report: Report) -> str:
    """Return what was published before, or nothing."""
    same = PackageVersion.objects.alive().filter(folder_id=package.folder_id, sha256=report.sha256)
    twin = same.select_related("package").first()
    if twin is not None and twin.version != manifest.version:
        return f"Package binary already uploaded as {twin.package.name}@{twin.version}"
    return PackageVersion.reason_against(package.folder, manifest.name, manifest.version)


def _switch(version: PackageVersion, actor: Actor, *, is_active: bool, reason: str = "") -> PackageVersion:
    rbac.require(actor, "packages.change_package", version)
    if PackageVersion.objects.alive().filter(pk=version.pk, is_active=not is_active).update(is_active=is_active):
        action = "package.version_activated" if is_active else "package.version_deactivated"
        audit.record(actor, action, version, reason=reason)
        events.record(action, version)
    version.refresh_from_db()
    return version


def _users_of(package: Package) -> Any:
    return package.processes.filter(deleted_at=None)


def _refuse_needed(version: PackageVersion) -> None:
    pinned = version.package.processes.filter(pinned_version=version, deleted_at=None)
    if names := list(pinned.values_list("name", flat=True)[:5]):
        raise InUse(f"{version} is pinned by {', '.join(names)}.")
    others = PackageVersion.objects.alive().filter(package=version.package, is_active=True).exclude(pk=version.pk)
    if _users_of(version.package).exists() and not others.exists():
        raise InUse(f"{version} is the last active version of a package that processes use.")


def _stored_names() -> list[str]:
    try:
        folders, _ = storage().listdir("")
    except FileNotFoundError:
        return []
    return [f"{folder}/{name}" for folder in folders for name in storage().listdir(folder)[1]]


def _is_older(name: str, before: datetime) -> bool:
    try:
        return storage().get_modified_time(name) < before
    except FileNotFoundError:
        return False  # An upload has reached its place, or another sweep was first.


def _named_files() -> QuerySet[PackageVersion, str]:
    """A deleted version keeps its file for a while: jobs made for it may be in line, or its package in the bin."""
    came_back = Q(package__purged_at=None, deleted_at=F("package__deleted_at")) & ~Q(package__deleted_by="")
    wanted = Q(deleted_at=None) | Q(deleted_at__gt=Now() - DELETED_FILES_KEPT) | came_back
    return PackageVersion.objects.filter(wanted).values_list("storage_name", flat=True)
