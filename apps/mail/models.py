"""Mail that is to leave, and what became of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.models import Row
from apps.core.states import Stateful, StatefulQuerySet
from apps.encryption.models import SealedField
from apps.mail.rules import LONGEST_ERROR
from apps.rbac import services as rbac

#: What mails are for that somebody sends to see whether mail leaves.
TEST = "test"


class MailStatus(models.TextChoices):
    PENDING = "pending"
    SENT = "sent"  # the mail server has taken it
    DEAD = "dead", "given up"  # it did not leave, and is not tried again by itself


class MailQuerySet(StatefulQuerySet["Mail"]):
    """Finding mail."""

    def visible_to(self, actor: Actor) -> MailQuerySet:
        return rbac.visible(self, actor, "mail.view_mail")

    def due(self) -> MailQuerySet:
        """Return what is to be tried now, by the database's clock."""
        return self.filter(status=MailStatus.PENDING, next_try_at__lte=Now())

    def tests(self) -> MailQuerySet:
        return self.filter(purpose=TEST)


class Mail(Stateful, Row):
    """One message to one address. It is stored in the transaction that wants it sent, and leaves after that."""

    TRANSITIONS: ClassVar = {
        MailStatus.PENDING: {MailStatus.SENT, MailStatus.DEAD},
        MailStatus.SENT: set(),
        MailStatus.DEAD: {MailStatus.PENDING},
    }

    # Not a TenantRow: some mail is the installation's.
    tenant = models.ForeignKey("tenancy.Tenant", null=True, on_delete=models.PROTECT, related_name="+", editable=False)
    purpose = models.CharField(max_length=32, editable=False, help_text="What it is for, such as test.")
    to = models.EmailField("recipient", editable=False)
    subject = models.CharField(max_length=200, editable=False)
    body = SealedField("text", blank=True, default="")
    status = models.CharField(max_length=16, choices=MailStatus, default=MailStatus.PENDING, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    next_try_at = models.DateTimeField(db_default=Now(), editable=False)
    give_up_at = models.DateTimeField(editable=False, help_text="After it, its text is of no use any more.")
    last_error = models.CharField(max_length=LONGEST_ERROR, blank=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    queued_by = models.CharField(max_length=200, editable=False)

    objects = MailQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = [("send_mail", "Can send test mails, and again what was given up")]
        verbose_name = "mail"
        verbose_name_plural = "mail"
        constraints = [
            models.CheckConstraint(name="mail_status_known", condition=Q(status__in=MailStatus.values)),
            # A text may hold a link that works once: what has left keeps none.
            models.CheckConstraint(
                name="mail_sent_keeps_no_text",
                condition=~Q(status=MailStatus.SENT) | Q(body="", sent_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], name="mail_due", condition=Q(status="pending")),
            models.Index(fields=["-created_at"], name="mail_tests", condition=Q(purpose="test")),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"
