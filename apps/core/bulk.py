"""Changes to many rows by filter: counted first, then worked off in the background, a batch per transaction.

An app has a table of such requests (``BulkRequest``) and says which rows one concerns and what is done to a batch of
them. How far a request is stands in its row, so that it goes on where it was, whoever was killed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import structlog
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from apps.core.actors import Actor, Bounds
from apps.core.errors import DomainError, NotSignedIn
from apps.core.models import TenantRow
from apps.core.states import Stateful

log = structlog.get_logger(__name__)

BATCH = 1000


class BulkStatus(models.TextChoices):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


OPEN = (BulkStatus.PENDING, BulkStatus.RUNNING)
RequestT = TypeVar("RequestT", bound="BulkRequest")


class BulkRequestQuerySet(models.QuerySet[RequestT]):
    def open(self) -> BulkRequestQuerySet[RequestT]:
        """Return what is still to be worked off, the oldest first."""
        return self.filter(status__in=OPEN).order_by("pk")

    def known_or_own(self, known: QuerySet[Any], actor: Actor) -> BulkRequestQuerySet[RequestT]:
        """Return the requests that are ``known`` to the actor, and those it made itself."""
        own = Q(requested_by=actor.user) if actor.user is not None else Q(pk=None)
        within = Q(tenant_id=actor.tenant_id) if actor.tenant_id is not None else Q()
        return self.filter(Q(pk__in=known.values("pk")) | (own & within))


class BulkRequest(Stateful, TenantRow):
    """One request to change many rows of a tenant by filter. A table of its own says ``action`` and what it needs."""

    TRANSITIONS: ClassVar = {
        BulkStatus.PENDING: {BulkStatus.RUNNING, BulkStatus.FAILED},
        BulkStatus.RUNNING: {BulkStatus.COMPLETED, BulkStatus.FAILED},
        BulkStatus.COMPLETED: set(),
        BulkStatus.FAILED: set(),
    }

    status = models.CharField(max_length=16, choices=BulkStatus, default=BulkStatus.PENDING)
    filters = models.JSONField(default=dict)
    reason = models.CharField(max_length=500, blank=True)
    expected = models.PositiveIntegerField(help_text="How many matched when it was asked for.")
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    after = models.UUIDField(null=True, help_text="The last row handled; work goes on behind it.")
    until = models.UUIDField(help_text="Rows made after the request are left alone.")
    requested_by = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=True
    )
    bounds = models.JSONField(null=True, editable=False, help_text="To what the credential of the request narrows it.")
    problem = models.CharField(max_length=500, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["tenant", "id"], name="%(class)s_tenant_key"),
            models.CheckConstraint(name="%(class)s_status_known", condition=Q(status__in=BulkStatus.values)),
            models.CheckConstraint(
                name="%(class)s_final_has_end",
                condition=Q(status__in=["completed", "failed"], finished_at__isnull=False)
                | (Q(status__in=["pending", "running"]) & Q(finished_at=None)),
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="%(class)s_open", condition=Q(status__in=["pending", "running"])),
        ]

    @property
    def handled(self) -> int:
        """How many rows it has looked at."""
        return self.done + self.refused

    def requester(self) -> Actor:
        """Return who asked for it, with the rights of now. Raises ``NotSignedIn``."""
        if self.requested_by is None:
            raise NotSignedIn("Who asked for this is gone.")
        bounds = None if self.bounds is None else Bounds.kept(self.bounds)
        return Actor.person(self.requested_by, tenant_id=self.tenant_id, bounds=bounds)


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a step: how many rows it looked at, or how the request ended."""

    looked_at: int = 0
    end: BulkStatus | None = None
    problem: str = ""


def advance(
    request: RequestT,
    *,
    matching: Callable[[RequestT, Actor], QuerySet[Any]],
    apply: Callable[[RequestT, list[UUID]], int],
) -> Step | None:
    """Handle the next batch of a request, in the caller's transaction; ``None`` where there is nothing to do.

    ``matching`` returns the rows that it concerns now, as far as the one who asked may change them; ``apply`` changes a
    batch of them and returns how many it could. A refusal undoes the batch and ends the request.
    """
    locked = type(request)._default_manager.select_for_update(skip_locked=True, of=("self",)).filter(pk=request.pk)
    row = locked.select_related("requested_by").first()
    if row is None or row.is_final:
        return None
    if row.status == BulkStatus.PENDING:
        row.move_to(BulkStatus.RUNNING)
    try:
        batch = _next_batch(row, matching(row, row.requester()))
        with transaction.atomic():
            done = apply(row, batch) if batch else 0
    except DomainError as refusal:
        return _ended(row, BulkStatus.FAILED, str(refusal)[:500])
    if not batch:
        return _ended(row, BulkStatus.COMPLETED)
    progress = {"done": row.done + done, "refused": row.refused + len(batch) - done, "after": batch[-1]}
    type(row)._default_manager.filter(pk=row.pk).update(**progress)
    return Step(looked_at=len(batch))


def work_off(requests: Iterable[RequestT], step: Callable[[RequestT], int | None]) -> int:
    """Work requests off, a batch after the other; returns how many rows were looked at.

    ``step`` handles the next batch of one and returns how many rows it looked at, or ``None`` where nothing is left.
    """
    handled = 0
    for request in requests:
        while (count := _carefully(request, step)) is not None:
            handled += count
    return handled


def asked_by(actor: Actor) -> dict[str, Any]:
    """Return who asks, and how narrowly, as a request keeps it until it is worked off."""
    bounds = actor.bounds if actor.is_narrowed else None
    return {"requested_by": actor.user, "bounds": bounds and bounds.as_kept()}


def kept(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters as they can be kept: ids and moments as text."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else [str(part) for part in value]
        for name, value in filters.items()
    }


def _next_batch(request: BulkRequest, matching: QuerySet[Any]) -> list[UUID]:
    ahead = matching if request.after is None else matching.filter(pk__gt=request.after)
    return list(ahead.filter(pk__lte=request.until).order_by("pk").values_list("pk", flat=True)[:BATCH])


def _ended(request: BulkRequest, status: BulkStatus, problem: str = "") -> Step:
    request.move_to(status, finished_at=Now(), problem=problem)
    return Step(end=status, problem=problem)


def _carefully(request: RequestT, step: Callable[[RequestT], int | None]) -> int | None:
    try:
        return step(request)
    except DomainError as refusal:
        log.warning("bulk_change_refused", change=str(request.pk), refusal=str(refusal))
        return None
