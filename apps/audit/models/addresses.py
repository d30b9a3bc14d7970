"""From where credentials were used before."""

from __future__ import annotations

from django.db import models

from apps.core.models import Row


class KnownAddress(Row):
    """A network address from which a credential was used before: what comes from another is written down."""

    tenant_id = models.UUIDField(editable=False)
    holder_id = models.UUIDField(editable=False, help_text="The key, robot or session whose credential it was.")
    address = models.GenericIPAddressField(editable=False)

    class Meta:
        verbose_name_plural = "known addresses"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["holder_id", "address"], name="known_address_once")]
        indexes = [models.Index(fields=["created_at"], name="known_address_by_age")]

    def __str__(self) -> str:
        return f"{self.address} of {self.holder_id}"
