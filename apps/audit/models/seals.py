"""The seals over the trail."""

from __future__ import annotations

from uuid import UUID

from django.db import models

from apps.audit import rules
from apps.core.models import Row


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
