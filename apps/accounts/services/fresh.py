"""Proving again who one is, before what is most sensitive."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.audit import services as audit
from apps.core.actors import FRESH_FOR, Actor
from apps.core.errors import Invalid, NotAllowed

#: The code of the refusal; the admin answers it by its page for that.
FRESH_SIGN_IN_NEEDED = "fresh_sign_in_needed"
_MINUTES = int(FRESH_FOR.total_seconds() // 60)


def require_fresh_sign_in(actor: Actor) -> None:
    """Refuse unless the person behind the actor has proved within the last minutes who they are.

    The system is exempt. A program with a key never can. Raises ``NotAllowed``.
    """
    if actor.is_fresh:
        return
    raise NotAllowed(
        f"Confirm that it is you: this takes a sign-in of the last {_MINUTES} minutes. In the admin, the page "
        "“Confirm that it is you” asks for your password; programs send it to POST /auth/confirm from a session that "
        "began with a sign-in, for an API key cannot do this.",
        code=FRESH_SIGN_IN_NEEDED,
        actor=actor,
    )


@transaction.atomic
def confirm_sign_in(user: User, *, actor: Actor, password: str) -> datetime:
    """Let a signed-in person prove again who they are; return when they did. Raises ``Invalid``."""
    if actor.user != user or actor.signed_in_at is None:
        raise NotAllowed("Only who has signed in can confirm it: an API key cannot.", actor=actor)
    if not user.check_password(password):
        raise Invalid.field("password", "this is not your current password.", code="wrong_password")
    audit.record(actor, "user.confirmed", user)
    return timezone.now()
