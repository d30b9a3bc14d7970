"""What a password must be, and changing it."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import User, UserSession
from apps.accounts.services._checking import refuse_above
from apps.accounts.services._sessions import end_sessions, present_session, renew
from apps.accounts.services.fresh import require_password
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Invalid, Problem
from apps.rbac import services as rbac


@transaction.atomic
def set_password(user: User, *, actor: Actor, password: str) -> None:
    """Give somebody else another password, which ends their sessions. One's own is changed by ``change_password``."""
    rbac.require(actor, "accounts.change_user", rbac.EVERYWHERE)
    refuse_above(user, actor)
    put_password(user, password, field="password")
    user.save(update_fields=["password"])
    end_sessions(user)
    audit.record(actor, "user.password_changed", user)


def change_password(user: User, *, actor: Actor, current_password: str, new_password: str) -> str:
    """Let a person change their own password, and end their other sessions.

    Whoever gives a wrong current one has tried to sign in with it. Returns the new token of a session that has one.
    """
    session = present_session(user, actor)
    require_password(user, actor=actor, field="current_password", password=current_password)
    return _change(user, session, actor, new_password)


@transaction.atomic
def _change(user: User, session: UserSession, actor: Actor, password: str) -> str:
    put_password(user, password, field="new_password")
    user.save(update_fields=["password"])
    ended = end_sessions(user, keep=session)
    session.user = user
    text = renew(session)
    audit.record(actor, "user.password_changed", user, after={"sessions_ended": ended})
    return text


def put_password(user: User, password: str | None, *, field: str) -> None:
    """Give a user a password that is fit, without saving it; ``None``: nobody can sign in. Raises ``Invalid``."""
    if user.is_service:
        raise Invalid.field(field, "a service account has keys and no password.")
    if password is None:
        user.set_unusable_password()
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        problems = [Problem(field, text) for text in error.messages]
        raise Invalid(" ".join(error.messages), problems=problems) from error
    user.set_password(password)
