"""What a request is signed with, and noting that it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.request import Request

from apps.accounts.models import UserSession

#: ``last_used_at`` is a hint for people; it is not written more often than this.
USE_NOTED_EVERY: Final = timedelta(minutes=1)


def presented(request: Request) -> str | None:
    """Return the credential that a request carries in its headers."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return request.headers.get("X-Api-Key")


def note_use(session: UserSession) -> None:
    """Note that a session is in use."""
    if session.last_used_at is not None and session.last_used_at > timezone.now() - USE_NOTED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USE_NOTED_EVERY)
    UserSession.objects.filter(stale, pk=session.pk).update(last_used_at=Now())
