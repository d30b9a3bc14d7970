"""Proving again who one is, before what is most sensitive."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User, UserSession
from apps.accounts.services._sessions import present_session
from apps.accounts.services.proving import prove_password
from apps.audit import services as audit
from apps.core.actors import FRESH_FOR, Actor
from apps.core.errors import Invalid, NotAllowed, Unavailable

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


def confirm_sign_in(user: User, *, actor: Actor, password: str) -> UserSession:
    """Let a signed-in person prove again who they are, which counts as a try to sign in. Raises ``Invalid``."""
    session = present_session(user, actor)
    require_password(user, actor=actor, field="password", password=password)
    return _mark_proved(session, actor)


def require_password(user: User, *, actor: Actor, field: str, password: str) -> None:
    """Refuse whoever does not know the password of the account they are signed in to. Raises ``Invalid``."""
    proof = prove_password(user.username, actor=actor, password=password)
    if proof.user == user:
        return
    if proof.wait > timedelta(0):
        seconds = int(proof.wait.total_seconds())
        raise Unavailable(
            "There were too many wrong passwords from here: wait before the next try.",
            code="too_many_tries",
            retry_after=1 if proof.is_busy else seconds,
        )
    raise Invalid.field(field, "this is not your current password.", code="wrong_password")


@transaction.atomic
def _mark_proved(session: UserSession, actor: Actor) -> UserSession:
    session.proved_at = timezone.now()
    session.save(update_fields=["proved_at"])
    audit.record(actor, "user.confirmed", session.user)
    return session
