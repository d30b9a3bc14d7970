"""Proving who one is by a password: each try is counted before it is looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import SignInTry, TryOutcome, User
from apps.accounts.rules.tries import FAILURES_COUNT_FOR, HOUR, PLACES_KNOWN_FOR, Bounds, Tries, keyed, network_of
from apps.audit import services as audit
from apps.configuration.models import Setting
from apps.core import context
from apps.core.actors import Actor

log = structlog.get_logger(__name__)

_LOCK: Final = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of a try. Without a user it failed, or, where there is a wait, was not looked at at all."""

    user: User | None = None
    wait: timedelta = timedelta(0)
    #: The bound is used up by tries that are being looked at just now: the same again in a moment may do.
    is_busy: bool = False


def prove_password(username: str, *, actor: Actor, password: str) -> Proof:
    """Return whose password it is, if it is theirs and they may sign in.

    A try is counted, and that is committed, before the password is looked at: however many come at once, no more are
    looked at than the bound allows. To all that fails the answer is the same, and takes the same work, whether there is
    such a user or not. A second factor is for the caller to ask for.
    """
    account = keyed(username, key=settings.TOKEN_PEPPER)
    claim = _claim(account, network_of(context.current().address))
    if isinstance(claim, Proof):
        log.info("sign_in_not_looked_at", account=account[:12], busy=claim.is_busy)
        return claim
    user = User.objects.filter(username__iexact=username.strip()).first()
    if not _is_right(user, password):
        _note_failure(claim, user, account, actor)
        return Proof()
    _note_success(claim)
    return Proof(user)


def _is_right(user: User | None, password: str) -> bool:
    if user is None:
        User().set_password(password)  # The same work as for somebody who is there.
        return False
    return user.check_password(password) and user.is_active


@transaction.atomic(durable=True)
def _claim(account: str, network: str) -> SignInTry | Proof:
    """Take a place of the bound, or say how long to wait for one."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [sorted(_lock_key(name) for name in (f"account {account}", f"network {network}"))])
    tries, bounds, now = _tries(account, network), _bounds(), timezone.now()
    wait = tries.wait(bounds, now)
    if wait > timedelta(0):
        return Proof(wait=wait, is_busy=tries.is_only_busy(bounds))
    return SignInTry.objects.create(account=account, network=network, is_by_stranger=not tries.is_known_place)


def _tries(account: str, network: str) -> Tries:
    """Count what was tried before, by the database's clock; to be asked under the locks, which it must not share."""
    here = SignInTry.objects.filter(account=account, network=network)
    right = here.filter(outcome=TryOutcome.SUCCEEDED, created_at__gt=Now() - PLACES_KNOWN_FOR)
    last_right = right.aggregate(at=Max("created_at"))["at"]
    since = Q(created_at__gt=last_right) if last_right is not None else Q()
    wrong = here.filter(since, created_at__gt=Now() - FAILURES_COUNT_FOR).exclude(outcome=TryOutcome.SUCCEEDED)
    facts = wrong.aggregate(
        failures=Count("pk"), last_at=Max("created_at"), under_way=Count("pk", Q(outcome=TryOutcome.UNDER_WAY))
    )
    strangers = SignInTry.objects.filter(is_by_stranger=True, created_at__gt=Now() - HOUR)
    strangers = strangers.exclude(outcome=TryOutcome.SUCCEEDED)
    return Tries(
        **facts,
        is_known_place=last_right is not None,
        strangers_at_account=strangers.filter(account=account).count(),
        strangers_in_network=strangers.filter(network=network).count(),
    )


def _bounds() -> Bounds:
    values = Setting.objects.in_force("security")
    return Bounds(values["max_failed_logins"], timedelta(minutes=values["lockout_minutes"]))


@transaction.atomic(durable=True)
def _note_failure(claim: SignInTry, user: User | None, account: str, actor: Actor) -> None:
    SignInTry.objects.filter(pk=claim.pk).update(outcome=TryOutcome.FAILED)
    # What was typed may be a password in the wrong field; the same name gives the same letters.
    named = {} if user is not None else {"unknown_name": account[:16]}
    audit.record(actor, "user.sign_in_failed", user, after=named or None)


@transaction.atomic(durable=True)
def _note_success(claim: SignInTry) -> None:
    """Forget what went wrong here before, and remember the place."""
    here = SignInTry.objects.filter(account=claim.account, network=claim.network)
    here.filter(created_at__lt=claim.created_at).exclude(outcome=TryOutcome.UNDER_WAY).delete()
    SignInTry.objects.filter(pk=claim.pk).update(outcome=TryOutcome.SUCCEEDED)


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"sign-in {name}".encode()).digest()[:8], signed=True)
