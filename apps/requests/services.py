"""Answering a request once, however often it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.requests.models import IdempotencyRecord
from apps.requests.rules import IN_FLIGHT_RETRY, KEPT_FOR, principal_of


class KeyReused(Conflict):
    """The key was used before, for something else."""

    code = "idempotency_key_reused"


class InFlight(Conflict):
    """The first request with this key is still being answered."""

    code = "in_flight"


class SecretShownOnce(Conflict):
    """The request was answered, but its answer held a secret, which is not kept."""

    code = "secret_shown_once"


@dataclass(frozen=True, slots=True)
class AskedOnce:
    """A request as a key remembers it: the hash covers all that decides what it does."""

    key: str
    method: str
    path: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer as it is kept. One that holds a secret is kept without its body."""

    status_code: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    holds_secret: bool = False


def find_answer(asked: AskedOnce, *, actor: Actor) -> IdempotencyRecord | None:
    """Return the answer given before under this key, or take the key until the transaction ends.

    Called first in the transaction that does the work, so that work and record are both there or neither. Raises
    ``KeyReused``, ``InFlight`` and ``SecretShownOnce``.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A key is taken for a transaction, and there is none.")
    principal = principal_of(actor)
    if not _take(f"{principal} {asked.key}"):
        raise InFlight("The first request with this key is still being answered.", retry_after=IN_FLIGHT_RETRY)
    # A statement of its own: it sees what the last holder of the lock committed.
    record = IdempotencyRecord.objects.filter(principal=principal, key=asked.key, expires_at__gt=Now()).first()
    if record is None:
        return None
    if (record.method, record.path, record.body_hash) != (asked.method, asked.path, asked.body_hash):
        raise KeyReused(f"This key was used for another request ({record}). Use a new key for each request.")
    if record.holds_secret:
        raise SecretShownOnce(
            "This was done already. Its answer held a secret, which is shown only once: "
            "revoke what was made, or rotate it, and ask again with a new key.",
            answered_at=record.created_at,
            location=record.headers.get("Location"),
        )
    return record


@transaction.atomic
def keep_answer(asked: AskedOnce, *, actor: Actor, answer: GivenAnswer) -> IdempotencyRecord:
    """Write down what was answered; an expired record under the same key makes room."""
    principal = principal_of(actor)
    IdempotencyRecord.objects.filter(principal=principal, key=asked.key).delete()
    return IdempotencyRecord.objects.create(
        principal=principal,
        key=asked.key,
        method=asked.method,
        path=asked.path,
        body_hash=asked.body_hash,
        status_code=answer.status_code,
        content_type=answer.content_type,
        headers=answer.headers,
        body=b"" if answer.holds_secret else answer.body,
        holds_secret=answer.holds_secret,
        expires_at=Now() + KEPT_FOR,
    )


@transaction.atomic
def delete_expired(*, actor: Actor, limit: int = 1000) -> int:
    """Delete up to ``limit`` records that are no longer needed; returns how many there were."""
    expired = IdempotencyRecord.objects.filter(expires_at__lte=Now()).order_by("expires_at")
    chosen = expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit]
    deleted, _ = IdempotencyRecord.objects.filter(pk__in=list(chosen)).delete()
    return deleted


def _take(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"idempotency {name}"])
        row = cursor.fetchone()
    return bool(row and row[0])
