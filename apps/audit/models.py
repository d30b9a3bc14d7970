"""Who did what to which object, and the seals over it."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.audit import rules
from apps.core.actors import JOB, PERSON, ROBOT, SERVICE, SYSTEM
from apps.core.models import Row
from apps.core.streams import Stream, StreamQuerySet


class Outcome(models.TextChoices):
    DONE = "done"
    REFUSED = "refused"


class AuditEntryQuerySet(StreamQuerySet):
    """Reading the trail. Who may see which entries is ``rbac.visible(…, actor, "audit.view_auditentry")``."""

    def about(self, target: models.Model) -> AuditEntryQuerySet:
        """Return what was done to one row, newest first."""
        return self.filter(target_id=target.pk, target_kind=target._meta.model_name).order_by("-seq")


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


class AuditSeal(Row):
    """A batch of one tenant's entries, chained entry by entry and seal by seal; ``rules`` says how.

    Whoever keeps a copy of the newest seal's hash can tell whether anything before it was changed, by whomever. Seals
    outlive their entries: when a partition is dropped, a seal with ``dropped_before`` says so in the chain, and its
    ``summary`` how many entries went and of which time. Each is signed, so that nobody who only gets at the database
    can write a chain anew; those from before there were signatures have none.
    """

    tenant_id = models.UUIDField(null=True, editable=False)
    number = models.PositiveIntegerField(editable=False)
    previous = models.BinaryField(max_length=32)
    count = models.PositiveIntegerField(editable=False)
    members = models.BinaryField()
    root = models.BinaryField(max_length=32)
    last_xid = models.BigIntegerField(editable=False)
    last_seq = models.BigIntegerField(editable=False)
    dropped_before = models.DateTimeField(null=True, editable=False)
    summary = models.JSONField(null=True, editable=False)
    hash = models.BinaryField(max_length=32)
    key = models.CharField(max_length=16, blank=True, default="", editable=False, help_text="Name of the signing key.")
    signature = models.BinaryField(max_length=64, null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "number"], name="audit_seal_numbered", nulls_distinct=False),
        ]
        indexes = [models.Index(fields=["-last_xid", "-last_seq"], name="audit_seal_newest")]

    def __str__(self) -> str:
        return f"seal {self.number} of {self.tenant_id or 'the installation'}"

    @property
    def member_ids(self) -> list[UUID]:
        """The sealed entries' ids, in order."""
        return [identity for identity, _ in self.links]

    @property
    def links(self) -> list[tuple[UUID, bytes]]:
        """Each sealed entry's id with the chain's hash after it."""
        return rules.unpack(bytes(self.members))
