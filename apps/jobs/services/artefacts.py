"""Keeping the files that jobs leave behind, and taking them away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Sum

from apps.audit import services as audit
from apps.core import ids
from apps.core.actors import Actor
from apps.core.errors import Conflict, TooLarge
from apps.core.files.shelves import Shelf, Upload
from apps.events import services as events
from apps.jobs.models import Artefact, Execution
from apps.rbac import services as rbac

#: Where the files lie that jobs left.
ARTEFACTS = Shelf("artefacts")


class ArtefactDiffers(Conflict):
    """Another file of this name was kept for the same execution before. What is kept never changes."""

    code = "artefact_differs"


class TooManyArtefacts(Conflict):
    """The execution has left as many files as one may leave; ``limit`` in the answer says how many."""

    code = "too_many"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is kept, and whether it is only since now."""

    artefact: Artefact
    is_new: bool


@transaction.atomic
def keep_artefact(execution: Execution, *, actor: Actor, upload: Upload) -> Kept:
    """Keep a file that an execution left, whether that still runs or not. The same again changes nothing.

    Raises ``Invalid`` for another hash than was told, ``ArtefactDiffers``, ``TooManyArtefacts`` and ``TooLarge``.
    """
    rbac.require(actor, "jobs.report_execution", execution)
    upload.refuse_changed()
    # Held until the end: two uploads at once are counted one after the other.
    execution = Execution.objects.select_for_update(of=("self",), no_key=True).get(pk=execution.pk)
    known = Artefact.objects.filter(execution=execution, name=upload.name).first()
    if known is not None:
        _refuse_another(known, upload)
        return Kept(known, is_new=False)
    _refuse_beyond_limits(execution, upload.size_bytes)
    made = _new_artefact(execution, upload)
    ARTEFACTS.keep(made, upload.file)
    made.save(force_insert=True)
    events.record("artefact.kept", made, data={"job": str(made.job_id), "size": made.size_bytes})
    return Kept(made, is_new=True)


@transaction.atomic
def delete_artefact(artefact: Artefact, *, actor: Actor) -> None:
    """Take a file away for good, to save space or because of what is in it."""
    rbac.require(actor, "jobs.delete_artefact", artefact)
    Artefact.objects.filter(pk=artefact.pk).delete()
    ARTEFACTS.remove(artefact)
    audit.record(actor, "artefact.deleted", artefact, before=_facts(artefact))
    events.record("artefact.deleted", artefact, data={"job": str(artefact.job_id)})


@transaction.atomic
def note_artefact_download(artefact: Artefact, *, actor: Actor) -> None:
    """Write down that a person or program took a file."""
    rbac.require(actor, "jobs.view_job", artefact.job)
    audit.record(actor, "artefact.downloaded", artefact, after=_facts(artefact))


@transaction.atomic
def sweep_artefacts(before: datetime, *, actor: Actor) -> int:
    """Remove files last written before ``before`` that no row names: a kill, or a deletion, left them. Return how many.

    ``before`` must lie further back than an upload can take.
    """
    rbac.require(actor, "jobs.delete_artefact", rbac.EVERYWHERE)
    removed = ARTEFACTS.sweep(
        before, known=lambda ids: Artefact.objects.filter(pk__in=ids).values_list("pk", flat=True)
    )
    if removed:
        audit.record(actor, "artefact.orphans_removed", None, after={"files": removed})
    return removed


def _known(identities: list[UUID]) -> Iterable[UUID]:
    return Artefact.objects.filter(pk__in=identities).values_list("pk", flat=True)


def _new_artefact(execution: Execution, upload: Upload) -> Artefact:
    return Artefact(
        id=ids.uuid7(),
        tenant_id=execution.tenant_id,
        folder_id=execution.folder_id,
        job_id=execution.job_id,
        execution=execution,
        name=upload.name,
        content_type=upload.content_type,
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
    )


def _refuse_another(known: Artefact, upload: Upload) -> None:
    if known.sha256 != upload.sha256:
        raise ArtefactDiffers(
            f"This execution has left another file called “{known.name}”. Give this one a name of its own."
        )


def _refuse_beyond_limits(execution: Execution, size: int) -> None:
    if size > settings.ARTEFACT_LIMIT_BYTES:
        limit = settings.ARTEFACT_LIMIT_BYTES
        raise TooLarge(f"The file has {size} bytes; at most {limit} are kept of one.", limit=limit)
    so_far = Artefact.objects.filter(execution=execution).aggregate(count=Count("pk"), size=Sum("size_bytes"))
    if so_far["count"] >= settings.ARTEFACTS_MOST:
        limit = settings.ARTEFACTS_MOST
        raise TooManyArtefacts(f"This execution has left {limit} files already; one keeps no more.", limit=limit)
    if (so_far["size"] or 0) + size > settings.ARTEFACTS_LIMIT_BYTES:
        limit = settings.ARTEFACTS_LIMIT_BYTES
        raise TooLarge(f"With this file the execution would leave more than {limit} bytes.", limit=limit)


def _facts(artefact: Artefact) -> dict[str, object]:
    return {
        "name": artefact.name,
        "size": artefact.size_bytes,
        "sha256": artefact.sha256,
        "job": str(artefact.job_id),
    }
