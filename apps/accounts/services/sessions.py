"""Beginning and ending the sessions of people."""

from __future__ import annotations

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import Door, SignInTry, TryOutcome, User, UserSession
from apps.accounts.rules.tries import FAILURES_COUNT_FOR, PLACES_KNOWN_FOR, keyed
from apps.accounts.services._sessions import end_sessions, open_session, present_session, renew
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.rbac import services as rbac


@transaction.atomic
def sign_in(user: User, *, actor: Actor, door: Door) -> tuple[UserSession, str]:
    """Begin a session of somebody who has proved who they are, by all that is asked of them.

    The text of its token is returned once; at the admin, whose cookie says which session it is, it is thrown away.
    """
    session, text = open_session(user, door)
    user.last_login = session.proved_at
    user.save(update_fields=["last_login"])
    audit.record(actor, "user.signed_in", user, after={"door": door.value, "session": session.shown_as})
    return session, text


@transaction.atomic
def sign_out(session: UserSession, *, actor: Actor) -> None:
    """End one's own session. Repeating it changes nothing."""
    if actor.user != session.user:
        rbac.require(actor, "accounts.change_user", rbac.EVERYWHERE)
    if UserSession.objects.filter(pk=session.pk).delete()[0]:
        audit.record(actor, "user.signed_out", session.user, after={"session": session.shown_as})


@transaction.atomic
def sign_out_others(user: User, *, actor: Actor) -> tuple[int, str]:
    """End all sessions of one's own but the present one; return how many, and a new token if that one is by a token."""
    present = present_session(user, actor)
    ended = end_sessions(user, keep=present)
    text = renew(present)
    audit.record(actor, "user.signed_out_others", user, after={"sessions": ended})
    return ended, text


@transaction.atomic
def unlock_user(user: User, *, actor: Actor, reason: str = "") -> User:
    """Forget failed sign-ins by a user's name, so that they need not wait."""
    rbac.require(actor, "accounts.change_user", rbac.EVERYWHERE)
    account = keyed(user.username, key=settings.TOKEN_PEPPER)
    SignInTry.objects.filter(account=account).exclude(outcome=TryOutcome.SUCCEEDED).delete()
    audit.record(actor, "user.unlocked", user, reason=reason)
    return user


@transaction.atomic
def forget_ended_sessions(*, actor: Actor) -> int:
    """Delete sessions that are over, and tries to sign in that count no longer; return how many rows there were."""
    rbac.require(actor, "accounts.change_user", rbac.EVERYWHERE)
    now = timezone.now()
    tries = SignInTry.objects.exclude(outcome=TryOutcome.SUCCEEDED).filter(created_at__lt=Now() - FAILURES_COUNT_FOR)
    places = SignInTry.objects.filter(created_at__lt=Now() - PLACES_KNOWN_FOR)
    over = (UserSession.objects.filter(expires_at__lt=now), Session.objects.filter(expire_date__lt=now), tries, places)
    return sum(rows.delete()[0] for rows in over)
