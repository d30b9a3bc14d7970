"""Making and changing queues."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max

from apps.audit import services as audit
from apps.core import bin
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.core.schemas import schema_validator
from apps.events import services as events
from apps.queues.models import ItemStatus, Queue, QueueSchema, UniqueReferences
from apps.rbac import services as rbac
from apps.tenancy.models import Folder

#: What a caller may set; the schema has versions and is set beside these.
SETTABLE = (
    "name", "description", "max_attempts", "backoff_base", "backoff_cap", "backoff_jitter", "unique_references",
    "unique_window", "default_priority", "sla", "default_deadline", "lease_seconds", "most_crashes", "retention_days",
)  # fmt: skip

#: Says "as it is" where ``None`` says "none".
UNCHANGED: Any = object()


@transaction.atomic
def create_queue(folder: Folder, *, actor: Actor, schema: Any = None, **fields: Any) -> Queue:
    """Make a queue in ``folder`` from any of ``SETTABLE``. Raises ``Invalid`` naming each wrong field."""
    rbac.require(actor, "queues.add_queue", folder)
    queue = Queue(folder=folder, tenant_id=folder.tenant_id)
    _fill(queue, fields)
    _save(queue)
    _set_schema(queue, schema, actor)
    audit.record(actor, "queue.created", queue, after=_facts(queue))
    events.record("queue.created", queue)
    return queue


@transaction.atomic
def update_queue(queue: Queue, *, actor: Actor, schema: Any = UNCHANGED, **fields: Any) -> Queue:
    """Change any of ``SETTABLE``, for items to come and for what becomes of those that wait.

    ``schema`` is what payloads must look like from now on; a changed one becomes a new version.
    """
    rbac.require(actor, "queues.change_queue", queue)
    _lock(queue)
    before = _facts(queue)
    _fill(queue, fields)
    _save(queue)
    if schema is not UNCHANGED:
        _set_schema(queue, schema, actor)
    audit.record(actor, "queue.updated", queue, before=before, after=_facts(queue))
    events.record("queue.updated", queue)
    return queue


@transaction.atomic
def pause_queue(queue: Queue, *, actor: Actor, reason: str = "") -> Queue:
    """Hand out nothing for now; items are still taken in, and what is in progress goes on."""
    rbac.require(actor, "queues.pause_queue", queue)
    Queue.objects.filter(pk=queue.pk).update(paused=True, paused_reason=reason[:300])
    queue.refresh_from_db(fields=["paused", "paused_reason"])
    audit.record(actor, "queue.paused", queue, after={"reason": queue.paused_reason})
    events.record("queue.paused", queue)
    return queue


@transaction.atomic
def resume_queue(queue: Queue, *, actor: Actor) -> Queue:
    """Hand items out again."""
    rbac.require(actor, "queues.pause_queue", queue)
    Queue.objects.filter(pk=queue.pk).update(paused=False, paused_reason="")
    queue.refresh_from_db(fields=["paused", "paused_reason"])
    audit.record(actor, "queue.resumed", queue)
    events.record("queue.resumed", queue)
    return queue


@transaction.atomic
def delete_queue(queue: Queue, *, actor: Actor) -> None:
    """Take a queue out of every list; its items stay as history. Raises ``Conflict`` while any is unfinished."""
    rbac.require(actor, "queues.delete_queue", queue)
    _lock(queue)
    if queue.items.alive().filter(status__in=[ItemStatus.NEW, ItemStatus.IN_PROGRESS]).exists():
        raise Conflict(f"“{queue.name}” has unfinished items. Delete them or let them be worked on.", code="has_items")
    bin.put(queue, by=actor)
    audit.record(actor, "queue.deleted", queue, before=_facts(queue))
    events.record("queue.deleted", queue)


@transaction.atomic
def restore_queue(queue: Queue, *, actor: Actor, name: str | None = None) -> Queue:
    """Take a queue back out of the bin with all its items. Raises ``Conflict`` as ``bin.take_back`` does."""
    rbac.require(actor, "queues.delete_queue", queue)
    bin.take_back(queue, name=name)
    audit.record(actor, "queue.restored", queue, after=_facts(queue))
    events.record("queue.restored", queue)
    return queue


def _lock(queue: Queue) -> None:
    queue.refresh_from_db(from_queryset=Queue.objects.select_for_update(of=("self",)))


def _facts(queue: Queue) -> dict[str, Any]:
    return {name: getattr(queue, name) for name in SETTABLE} | {"schema": queue.schema.number if queue.schema else None}


def _fill(queue: Queue, fields: dict[str, Any]) -> None:
    if fields.pop("encrypted", False):
        message = "there are no keys to encrypt payloads with yet. Leave it out."
        raise Invalid.field("encrypted", message, code="not_offered")
    if unknown := set(fields) - set(SETTABLE):
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in sorted(unknown)])
    for name, value in fields.items():
        setattr(queue, name, value)
    queue.name = queue.name.strip()
    if problems := _field_problems(queue):
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems)


def _field_problems(queue: Queue) -> list[Problem]:
    try:
        queue.clean_fields(exclude=["folder", "tenant", "schema"])
    except ValidationError as error:
        return [Problem(field, text) for field, texts in error.message_dict.items() for text in texts]
    if queue.unique_references == UniqueReferences.WINDOW and not queue.unique_window:
        return [Problem("unique_window", "say for how many seconds a reference stays taken.")]
    return []


def _save(queue: Queue) -> None:
    try:
        with transaction.atomic():
            queue.save()
    except IntegrityError as error:
        if "queue_name_free" not in str(error):
            raise
        raise Conflict(f"The folder has a queue “{queue.name}” already.", code="name_taken", field="name") from error


def _set_schema(queue: Queue, document: Any, actor: Actor) -> None:
    """Make a new version of what payloads must look like, unless it is the one there is."""
    if document == (queue.schema.document if queue.schema else None):
        return
    if document is not None:
        schema_validator(document)
        last = queue.schemas.aggregate(last=Max("number"))["last"] or 0
        queue.schema = QueueSchema(
            tenant_id=queue.tenant_id, queue=queue, number=last + 1, document=document, made_by=str(actor)
        )
        QueueSchema.objects.bulk_create([queue.schema])
    else:
        queue.schema = None
    Queue.objects.filter(pk=queue.pk).update(schema=queue.schema)
