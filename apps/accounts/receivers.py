"""Django's own signals about signing in and out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import update_last_login
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver

from apps.accounts import authentication
from apps.accounts.models import User

# Signing in writes it down.
user_logged_in.disconnect(update_last_login, dispatch_uid="update_last_login")


@receiver(user_logged_in, dispatch_uid="accounts.begin_session")
def begin_session(request: Any, user: User, **_: Any) -> None:
    """Begin a session of ours, whichever library signed the person in."""
    authentication.begin(request, user)


@receiver(user_logged_out, dispatch_uid="accounts.end_session")
def end_session(request: Any, user: User | None, **_: Any) -> None:
    """End the session of ours with Django's."""
    authentication.end(request, user)
