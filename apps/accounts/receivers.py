"""Django's own signals about signing in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.utils import timezone

from apps.accounts.authentication import mark_fresh


@receiver(user_logged_in, dispatch_uid="accounts.note_sign_in")
def note_sign_in(request: Any, **_: Any) -> None:
    """Note in the session when its person proved who they are."""
    mark_fresh(request, timezone.now())
