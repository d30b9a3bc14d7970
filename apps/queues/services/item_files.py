"""Files of items: brought by whoever may, read and written by whoever holds the item."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.core import ids
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.files.conditions import ALWAYS, Condition
from apps.core.files.shelves import Upload
from apps.events import services as events
from apps.queues.models import ItemFile, ItemLease, QueueItem, StoredFile
from apps.queues.services import _keeping, _settling
from apps.queues.services._keeping import FILES, Limits, Written
from apps.queues.services._telling import facts_of
from apps.queues.services.settling import LeaseOver
from apps.rbac import services as rbac


@transaction.atomic
def write_item_file(item: QueueItem, *, actor: Actor, upload: Upload, condition: Condition = ALWAYS) -> Written:
    """Give an item a file, in place of one of the same name; all tries at the same work have it.

    The same again changes nothing. Raises ``Invalid``, ``Outdated``, ``TooManyFiles``, ``TooLarge``, ``Conflict``.
    """
    rbac.require(actor, "queues.add_itemfile", item)
    return _write(item, actor, upload, condition)


@transaction.atomic
def write_held_file(lease: ItemLease, *, actor: Actor, upload: Upload, condition: Condition = ALWAYS) -> Written:
    """The same for who holds the item. Raises also ``LeaseOver``."""
    rbac.require(actor, "queues.take_queueitem", lease.item.queue)
    return _write(_held(lease), actor, upload, condition)


@transaction.atomic
def delete_item_file(item: QueueItem, *, actor: Actor, name: str, condition: Condition = ALWAYS) -> None:
    """Take a file of an item away for good. Raises ``NotFound``, ``Outdated``."""
    rbac.require(actor, "queues.delete_itemfile", item)
    _delete(item, actor, name, condition)


@transaction.atomic
def delete_held_file(lease: ItemLease, *, actor: Actor, name: str, condition: Condition = ALWAYS) -> None:
    """The same for who holds the item. Raises also ``LeaseOver``."""
    rbac.require(actor, "queues.take_queueitem", lease.item.queue)
    _delete(_held(lease), actor, name, condition)


@transaction.atomic
def note_item_download(item: QueueItem, *, actor: Actor, file: ItemFile) -> None:
    """Write down that a person or program took a file of an item."""
    rbac.require(actor, "queues.view_queueitem", item)
    audit.record(actor, "item.file_downloaded", item, after=_keeping.facts_of(file))


def held_files(lease: ItemLease, *, actor: Actor) -> QuerySet[ItemFile]:
    """Return the files of the item that somebody holds. Raises ``LeaseOver``, ``NotAllowed``."""
    rbac.require(actor, "queues.take_queueitem", lease.item.queue)
    _refuse_over(lease)
    return ItemFile.objects.of(lease.item)


@transaction.atomic
def remove_files_of(items: Collection[UUID], *, actor: Actor) -> int:
    """Remove all files of items that are about to go for good; returns how many.

    They hang on the first of the tries at a piece of work, so they go with that one.
    """
    rbac.require(actor, "queues.delete_itemfile", rbac.EVERYWHERE)
    removed = list(ItemFile.objects.filter(item__in=items))
    ItemFile.objects.filter(pk__in=[file.pk for file in removed]).delete()
    for file in removed:
        FILES.remove(file)
    if removed:
        size = sum(file.size_bytes for file in removed)
        audit.record(actor, "item.files_removed", None, after={"files": len(removed), "size": size})
    return len(removed)


@transaction.atomic
def sweep_files(before: datetime, *, actor: Actor) -> int:
    """Remove files last written before ``before`` that no row names: a kill, or a deletion, left them. Return how many.

    ``before`` must lie further back than an upload can take.
    """
    rbac.require(actor, "queues.delete_itemfile", rbac.EVERYWHERE)
    removed = FILES.sweep(before, known=_known)
    if removed:
        audit.record(actor, "file.orphans_removed", None, after={"files": removed})
    return removed


def _known(identities: list[UUID]) -> Iterable[UUID]:
    of_items = ItemFile.objects.filter(pk__in=identities).values_list("pk", flat=True)
    return of_items.union(StoredFile.objects.filter(pk__in=identities).values_list("pk", flat=True))


def _write(item: QueueItem, actor: Actor, upload: Upload, condition: Condition) -> Written:
    first = _lock_first(item)
    made = ItemFile(id=ids.uuid7(), tenant_id=item.tenant_id, item=first, name=upload.name)
    limits = Limits(settings.ITEM_FILE_LIMIT_BYTES, settings.ITEM_FILES_MOST, settings.ITEM_FILES_LIMIT_BYTES)
    written = _keeping.write(made, upload, condition, limits)
    if written.is_changed:
        told = facts_of(item, file=written.file.pk, size=written.file.size_bytes)
        events.record("item.file_written", item, data=told, actor=actor)
        if _keeping.is_noted(actor):
            before = _keeping.facts_of(written.former) if written.former is not None else None
            audit.record(actor, "item.file_written", item, before=before, after=_keeping.facts_of(written.file))
    return written


def _delete(item: QueueItem, actor: Actor, name: str, condition: Condition) -> None:
    _lock_first(item)
    removed = _keeping.remove_named(ItemFile.objects.of(item), name, condition)
    audit.record(actor, "item.file_deleted", item, before=_keeping.facts_of(removed))
    events.record("item.file_deleted", item, data=facts_of(item, file=removed.pk), actor=actor)


def _lock_first(item: QueueItem) -> QueueItem:
    """Lock the first of the tries, on which their files hang: two that write at once are counted one by one."""
    first = QueueItem.objects.select_for_update(of=("self",), no_key=True).filter(pk=item.lineage).first()
    if first is None:
        raise Conflict("The first try at this item was removed, and its files with it.", code="item_gone")
    return first


def _held(lease: ItemLease) -> QueueItem:
    _lock_first(lease.item)  # Before the item, as who ends several tries at once locks them.
    item, lease = _settling.lock_of(lease)
    _refuse_over(lease)
    return item


def _refuse_over(lease: ItemLease) -> None:
    if lease.closed_at is not None:
        raise LeaseOver("This lease is over.", current=lease.outcome)
