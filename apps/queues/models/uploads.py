"""Tables of items that somebody sent: kept between the report on them and the word to add them."""

from __future__ import annotations

from django.db import models

from apps.core.actors import Actor
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.queues.models.queues import Queue


class ItemUploadQuerySet(models.QuerySet["ItemUpload"]):
    def visible_to(self, actor: Actor) -> ItemUploadQuerySet:
        """Return what the actor sent itself: what others are about to add is theirs."""
        if actor.user is None:
            return self.none()
        own = self.filter(uploaded_by=actor.user)
        return own if actor.tenant_id is None else own.filter(tenant_id=actor.tenant_id)

    def waiting(self) -> ItemUploadQuerySet:
        """Return those whose rows were not added yet."""
        return self.filter(added_at=None)


class ItemUpload(TenantRow):
    """A table of items for a queue: what was read of it, what is wrong with it, and what became of it.

    The file itself is not kept. Its rows go once they are added.
    """

    folder = InTenant("tenancy.Folder", related_name="+")
    queue = InTenant(Queue, related_name="+")
    uploaded_by = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.CASCADE, related_name="+", db_constraint=True
    )
    name = models.CharField(max_length=200)
    sha256 = models.CharField("SHA-256", max_length=64)
    rows = models.JSONField(null=True)
    total = models.PositiveIntegerField()
    problems = models.JSONField(default=list, help_text="Row, column and what is wrong; the first of them.")
    problem_count = models.PositiveIntegerField(default=0)
    taken = models.JSONField(default=list, help_text="Rows whose reference the queue has already; the first of them.")
    taken_count = models.PositiveIntegerField(default=0)
    added_at = models.DateTimeField(null=True)
    added = models.PositiveIntegerField(default=0)

    objects = ItemUploadQuerySet.as_manager()

    class Meta:
        verbose_name = "upload"
        constraints = [
            tenant_key("itemupload"),
            SameTenant("folder", name="itemupload_folder_same_tenant"),
            SameTenant("queue", name="itemupload_queue_same_tenant"),
            models.CheckConstraint(
                name="itemupload_rows_go_when_added",
                condition=models.Q(added_at=None) | models.Q(rows=None),
            ),
        ]
        indexes = [models.Index(fields=["queue", "sha256"], name="itemupload_by_file")]

    def __str__(self) -> str:
        return self.name
