"""The rows behind sessions: what operations that end or renew them have in common."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from apps.accounts.models import Door, User, UserSession
from apps.configuration.models import Setting
from apps.core import context, tokens
from apps.core.actors import Actor
from apps.core.errors import NotAllowed


def open_session(user: User, door: Door) -> tuple[UserSession, str]:
    """Make a session that begins now; return it and the text of its token."""
    now, facts, plain = timezone.now(), context.current(), tokens.generate(UserSession.KIND)
    session = UserSession.holding(
        plain,
        user=user,
        door=door,
        proved_at=now,
        expires_at=now + timedelta(hours=Setting.objects.in_force("security")["session_hours"]),
        last_used_at=now,
        password_state=user.get_session_auth_hash(),
        address=facts.address,
        agent=facts.agent,
    )
    session.save()
    return session, str(plain)


def present_session(user: User, actor: Actor) -> UserSession:
    """Return the session in which a person asks something about themselves. Raises ``NotAllowed`` without one."""
    session: UserSession | None = actor.user.at_session if actor.user is not None and actor.user == user else None
    if session is None:
        raise NotAllowed("Only who has signed in by name can do this for themselves: an API key cannot.", actor=actor)
    return session


def end_sessions(user: User, *, keep: UserSession | None = None) -> int:
    """End the sessions of a user at once; return how many there were."""
    ended = UserSession.objects.filter(user=user)
    return (ended if keep is None else ended.exclude(pk=keep.pk)).delete()[0]


def renew(session: UserSession) -> str:
    """Give a session a new token, bound to the present password; return its text, or nothing where a cookie says it."""
    plain = tokens.generate(UserSession.KIND)
    fresh = UserSession.holding(plain)
    session.public, session.digest = fresh.public, fresh.digest
    session.password_state = session.user.get_session_auth_hash()
    session.save(update_fields=["public", "digest", "password_state"])
    return str(plain) if session.door == Door.API else ""
