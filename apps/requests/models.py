"""The answers already given under idempotency keys."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.core.models import Row


class IdempotencyRecord(Row):
    """One answered request of one caller, kept so that the same request again gets the same answer.

    Not a tenant's row: a caller is a credential, which may reach several tenants or, to make one, none.
    """

    principal = models.CharField(max_length=160, editable=False)
    key = models.CharField(max_length=255, editable=False)
    method = models.CharField(max_length=8, editable=False)
    path = models.TextField(editable=False)
    body_hash = models.CharField(max_length=64, editable=False)
    status_code = models.PositiveSmallIntegerField(editable=False)
    content_type = models.CharField(max_length=100, editable=False)
    headers = models.JSONField(default=dict, editable=False)
    body = models.BinaryField(editable=False)
    holds_secret = models.BooleanField(default=False, editable=False)
    expires_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["principal", "key"], name="request_key_once"),
            models.CheckConstraint(condition=Q(status_code__range=(200, 499)), name="request_answer_is_final"),
            models.CheckConstraint(condition=Q(holds_secret=False) | Q(body=b""), name="request_secret_not_kept"),
        ]
        indexes = [models.Index(fields=["expires_at"], name="request_expiry")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
