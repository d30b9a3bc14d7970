"""How often keys are used, and from where.

Uses are counted in the process and written together, at most every ``WRITTEN_EVERY`` seconds: what a process has
counted since is lost where it is killed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Lock, Timer
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Max, Sum
from django.utils import timezone

from apps.accounts.models import ApiToken, ApiTokenUse
from apps.audit import services as audit
from apps.core import ids, statements
from apps.core.actors import Actor
from apps.rbac import services as rbac

WRITTEN_EVERY: Final = 15.0
#: Nobody is told of uses older than this.
KEPT_DAYS: Final = 90

_Use = tuple[UUID, UUID, date, str | None]

_ADD = """
    INSERT INTO accounts_apitokenuse (id, tenant_id, token_id, day, address, count)
    SELECT u.id, u.tenant, u.token, u.day, u.address, u.count
    FROM jsonb_to_recordset(%(uses)s::jsonb)
        AS u (id uuid, tenant uuid, token uuid, day date, address inet, count bigint)
    WHERE EXISTS (SELECT FROM accounts_apitoken t WHERE t.id = u.token)
    ON CONFLICT (token_id, day, address) DO UPDATE SET count = accounts_apitokenuse.count + excluded.count
"""
_USED = """
    UPDATE accounts_apitoken t
    SET last_used_at = greatest(t.last_used_at, u.at), use_count = t.use_count + u.count
    FROM jsonb_to_recordset(%(lasts)s::jsonb) AS u (token uuid, at timestamptz, count bigint) WHERE t.id = u.token
"""

log = structlog.get_logger(__name__)


class _Counted:
    """What this process has counted and not yet written."""

    lock: Final = Lock()
    uses: Counter[_Use] = Counter()
    lasts: dict[UUID, datetime] = {}
    timer: Timer | None = None


def note_use(key: ApiToken, *, actor: Actor) -> None:
    """Count one use of a key from the address of the request; the first from a new address is audited.

    A first use is written at once, so that whoever has just made a key sees that it works.
    """
    address = audit.meet_address(actor, "api_key.used_from_new_address", key)
    now = timezone.now()
    with _Counted.lock:
        _Counted.uses[key.tenant_id, key.pk, now.date(), address] += 1
        _Counted.lasts[key.pk] = now
    if key.last_used_at is None:
        write_uses()
    else:
        _write_soon()


def write_uses() -> None:
    """Write what this process has counted."""
    with _Counted.lock:
        uses, lasts = _Counted.uses, _Counted.lasts
        _Counted.uses, _Counted.lasts = Counter(), {}
    if not uses:
        return
    # In one order in every process, so that none waits for the other's rows while holding its own.
    counted = [
        {"id": str(ids.uuid7()), "tenant": str(tenant), "token": str(token), "day": str(day), "address": address,
         "count": count}
        for (tenant, token, day, address), count in sorted(uses.items(), key=str)
    ]  # fmt: skip
    totals: Counter[UUID] = Counter()
    for (_, token, _, _), count in uses.items():
        totals[token] += count
    moments = [
        {"token": str(token), "at": at.isoformat(), "count": totals[token]} for token, at in sorted(lasts.items())
    ]
    with transaction.atomic():
        statements.execute(_ADD, {"uses": json.dumps(counted)})
        statements.execute(_USED, {"lasts": json.dumps(moments)})


@dataclass(frozen=True, slots=True)
class Usage:
    """How often a key was used in the last ``KEPT_DAYS``, by day and by address."""

    #: Oldest first; days without a use are left out.
    days: Sequence[tuple[date, int]]
    #: Each address (none: those that are not told apart) with its uses and the last day of one; the busiest first.
    addresses: Sequence[tuple[str | None, int, date]]


def usage_of(key: ApiToken) -> Usage:
    """Return how a key was used, as far as it is written."""
    uses = ApiTokenUse.objects.filter(token=key, day__gt=timezone.now().date() - timedelta(days=KEPT_DAYS)).order_by()
    days = uses.values_list("day").annotate(n=Sum("count")).order_by("day")
    addresses = uses.values_list("address").annotate(n=Sum("count"), last=Max("day")).order_by("-n", "address")
    return Usage(list(days), list(addresses))


@transaction.atomic
def forget_uses(before: date, *, actor: Actor) -> int:
    """Forget the counts of days before a day."""
    rbac.require(actor, "accounts.delete_apitoken", rbac.EVERYWHERE)
    return ApiTokenUse.objects.filter(day__lt=before).delete()[0]


def _write_soon() -> None:
    """Have the counts written by a thread, in the processes that answer requests; elsewhere by who counts next."""
    with _Counted.lock:
        if _Counted.timer is not None or settings.ROLE != "web":
            return
        _Counted.timer = Timer(WRITTEN_EVERY, _write_now)
        _Counted.timer.daemon = True
        _Counted.timer.start()


def _write_now() -> None:
    with _Counted.lock:
        _Counted.timer = None
    try:
        write_uses()
    except (DatabaseError, InterfaceError) as error:
        log.warning("uses_of_keys_not_written", error=str(error))
    finally:
        connection.close()
