"""Who did what to which object."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, reduce
from operator import or_
from typing import Final

from django.apps import apps
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import rules
from apps.core import ids
from apps.core.actors import JOB, PERSON, ROBOT, SERVICE, SYSTEM
from apps.core.streams import Stream, StreamQuerySet

#: How far back a search looks that names no time.
SEARCHED: Final = timedelta(days=30)
#: Ids carry the clock of the process that made them, which may differ from the database's.
CLOCKS_DIFFER: Final = timedelta(minutes=5)


class Outcome(models.TextChoices):
    DONE = "done"
    REFUSED = "refused"


class AuditEntryQuerySet(StreamQuerySet):
    """Reading the trail. Who may see which entries is ``rbac.visible(…, actor, "audit.view_auditentry")``."""

    def about(self, target: models.Model) -> AuditEntryQuerySet:
        """Return what was done to one row, newest first."""
        return self.filter(target_id=target.pk, target_kind=target._meta.model_name).order_by("-seq")

    def of_type(self, action_type: str) -> AuditEntryQuerySet:
        """Return the acts of one kind (``rules.ACTION_TYPES``)."""
        pattern = rules.verbs_of(action_type)
        is_other = action_type == rules.OTHER
        return self.exclude(action__regex=pattern) if is_other else self.filter(action__regex=pattern)

    def matching(self, text: str) -> AuditEntryQuerySet:
        """Return what names ``text``: as its action, its actor, its target or its reason."""
        names = ("action", "actor_name", "target_name", "reason")
        return self.filter(reduce(or_, (Q(**{f"{name}__icontains": text}) for name in names)))

    def between(self, since: datetime | None, until: datetime | None) -> AuditEntryQuerySet:
        """Return what was done from one moment until before another, found by the time-ordered ids."""
        rows = self
        if since is not None:
            rows = rows.filter(id__gte=ids.first_id_at(since - CLOCKS_DIFFER), ts__gte=since)
        if until is not None:
            rows = rows.filter(id__lt=ids.first_id_at(until + CLOCKS_DIFFER), ts__lt=until)
        return rows

    def lately(self) -> AuditEntryQuerySet:
        """Return the time in which is searched where nobody says another: no index helps to find a text."""
        return self.between(timezone.now() - SEARCHED, None)


class AuditEntry(Stream):
    """One act of control, or one that was refused: by whom, to what, what changed, why, and from where.

    Everything is plain text and plain ids, so that an entry says the same when its rows are gone. Partitioned by
    month: the sealing follows a cursor, which looks into each partition, and the trail is kept for long.
    """

    ts = models.DateTimeField("time", db_default=Now())
    tenant_id = models.UUIDField(null=True, help_text="Empty: an act that concerns the whole installation.")
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=200)
    on_behalf_of = models.CharField(max_length=200, blank=True, default="")
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=32, blank=True, default="")
    target_id = models.UUIDField(null=True)
    target_name = models.CharField(max_length=200, blank=True, default="")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.CharField(max_length=2000, blank=True, default="")
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.DONE)
    permission = models.CharField(max_length=100, blank=True, default="", help_text="What a refused act would take.")
    request_id = models.CharField(max_length=128, blank=True, default="")
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=300, blank=True, default="")

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        default_permissions = ("view",)
        permissions = [("export_entry", "Can export the audit trail")]
        constraints = [
            models.CheckConstraint(name="audit_outcome_known", condition=Q(outcome__in=Outcome.values)),
            models.CheckConstraint(
                name="audit_actor_known", condition=Q(actor_kind__in=[PERSON, SERVICE, ROBOT, JOB, SYSTEM])
            ),
        ]
        indexes = [
            models.Index(fields=["xid", "seq"], name="audit_in_order"),
            models.Index(fields=["tenant_id", "-id"], name="audit_by_tenant"),
            models.Index(fields=["target_id", "-seq"], name="audit_by_target"),
            models.Index(fields=["actor_id", "-id"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_name}"

    @property
    def action_type(self) -> str:
        """What kind of act it was (``rules.ACTION_TYPES``)."""
        return rules.type_of(self.action)

    @property
    def target_in_words(self) -> str:
        """The row it was done to, with what such rows are called; empty where there is none."""
        kind, name = in_words(self.target_kind), self.target_name
        return (name if name.startswith(kind) else f"{kind} {name}").strip()


@cache
def _kinds() -> Mapping[str, str]:
    return {str(one._meta.model_name): str(one._meta.verbose_name) for one in apps.get_models()}


def in_words(kind: str) -> str:
    """Return what rows are called, by the name of their model."""
    return _kinds().get(kind, kind)
