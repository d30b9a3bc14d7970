"""Adding items from a table: read and reported on first, added when its sender says so, all of it or nothing."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, NotFound
from apps.events import services as events
from apps.queues.models import ItemUpload, Queue
from apps.queues.services import adding
from apps.queues.services._checking import Wanted
from apps.queues.services._reading import read_items
from apps.rbac import services as rbac

#: So many problems are kept of a file: who sees them corrects all of that kind.
MOST_TOLD = 200
#: So long a file that was added is known again.
RECOGNISED_FOR = timedelta(days=90)
_MOMENTS = ("available_at", "deadline")


class UploadHasProblems(Conflict):
    """Something is wrong with the table, so nothing of it is added."""

    code = "upload_has_problems"


class AddedBefore(Conflict):
    """A file with the same contents was added to the queue before; say ``again`` to add its rows once more."""

    code = "added_before"


@transaction.atomic
def check_upload(queue: Queue, *, actor: Actor, name: str, content: bytes) -> ItemUpload:
    """Read a CSV or XLSX file of items and keep what it says, with everything that is wrong; nothing is added yet.

    Raises ``Invalid`` and ``TooLarge`` where the file cannot be read, ``QueueClosed``.
    """
    rbac.require(actor, "queues.add_queueitem", queue)
    adding.refuse_closed(queue)
    reading = read_items(queue, content)
    taken = adding.taken_references(queue, [one.reference for _, one in reading.wanted if one.reference])
    left = [(number, one.reference) for number, one in reading.wanted if one.reference in taken]
    upload = ItemUpload.objects.create(
        tenant_id=queue.tenant_id,
        folder_id=queue.folder_id,
        queue=queue,
        uploaded_by=actor.user,
        name=name[:200],
        sha256=hashlib.sha256(content).hexdigest(),
        rows=None if reading.problems else [_kept(one) for _, one in reading.wanted],
        total=len({number for number, _ in reading.wanted} | {number for number, *_ in reading.problems}),
        problems=reading.problems[:MOST_TOLD],
        problem_count=len(reading.problems),
        taken=left[:MOST_TOLD],
        taken_count=len(left),
    )
    events.record("item_upload.checked", upload, data={"queue": str(queue.pk), "rows": upload.total}, actor=actor)
    return upload


@transaction.atomic
def add_upload(upload: ItemUpload, *, actor: Actor, again: bool = False) -> ItemUpload:
    """Add the rows of a table, all in one transaction; those whose reference the queue has already are left out.

    What was added is not added again. Raises ``UploadHasProblems``, ``AddedBefore``, and what ``add_items`` does.
    """
    rbac.require(actor, "queues.add_queueitem", upload.queue)
    # All of the same contents: of two people who add them at once, the second is told that they were added.
    alike = ItemUpload.objects.filter(queue=upload.queue_id, sha256=upload.sha256)
    if upload.pk not in list(alike.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)):
        raise NotFound("This table was forgotten meanwhile. Upload it again.", code="unknown")
    upload.refresh_from_db()
    if upload.added_at is not None:
        return upload
    if upload.problem_count:
        raise UploadHasProblems("Something is wrong with this file. Correct it and upload it again.")
    earlier = None if again else added_before(upload)
    if earlier is not None:
        raise AddedBefore("A file with the same contents was added before.", upload=str(earlier.pk))
    added = _add(upload.queue, [_wanted(row) for row in upload.rows or []], actor)
    ItemUpload.objects.filter(pk=upload.pk).update(rows=None, added=added, added_at=Now())
    upload.refresh_from_db()
    told = {"file": upload.name, "sha256": upload.sha256, "added": added, "left_out": upload.total - added}
    audit.record(actor, "items.uploaded", upload.queue, after=told)
    return upload


@transaction.atomic
def discard_upload(upload: ItemUpload, *, actor: Actor) -> None:
    """Forget a table whose rows were not added."""
    rbac.require(actor, "queues.add_queueitem", upload.queue)
    events.record("item_upload.discarded", upload, actor=actor)
    ItemUpload.objects.waiting().filter(pk=upload.pk).delete()


@transaction.atomic
def forget_uploads(before: datetime, *, actor: Actor) -> int:
    """Forget tables that nobody said a word about since a moment, and those added long ago; returns how many."""
    rbac.require(actor, "queues.sweep_queueitem", None)
    forgotten = Q(added_at=None, created_at__lt=before) | Q(added_at__lt=Now() - RECOGNISED_FOR)
    return ItemUpload.objects.filter(forgotten).delete()[0]


def added_before(upload: ItemUpload) -> ItemUpload | None:
    """Return the newest upload of the same contents that was added to the same queue."""
    same = ItemUpload.objects.filter(queue=upload.queue_id, sha256=upload.sha256, added_at__isnull=False)
    return same.exclude(pk=upload.pk).order_by("-pk").first()


def _add(queue: Queue, wanted: list[Wanted], actor: Actor) -> int:
    taken = adding.taken_references(queue, [one.reference for one in wanted if one.reference])
    free = [one for one in wanted if one.reference not in taken]
    for begin in range(0, len(free), adding.MOST_AT_ONCE):
        adding.add_items(queue, actor=actor, wanted=free[begin : begin + adding.MOST_AT_ONCE])
    return len(free)


def _kept(one: Wanted) -> dict[str, Any]:
    moments = {name: moment.isoformat() for name in _MOMENTS if (moment := getattr(one, name)) is not None}
    return {name: value for name, value in asdict(one).items() if name not in _MOMENTS} | moments


def _wanted(row: dict[str, Any]) -> Wanted:
    return Wanted(**row | {name: parse_datetime(row[name]) for name in _MOMENTS if name in row})
