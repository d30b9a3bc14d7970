"""What the database's own refusals mean to a caller, and the one that is worth a second try."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError, transaction

from apps.core.errors import Conflict, DomainError, Invalid, Unavailable

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

_DEADLOCK, _SERIALIZATION_FAILURE = "40P01", "40001"
_LOCK_NOT_AVAILABLE, _STATEMENT_CANCELLED = "55P03", "57014"
_UNIQUE, _EXCLUSION, _FOREIGN_KEY = "23505", "23P01", "23503"
#: Seconds to stand back before the second try, at least and at most.
_PAUSE: Final = (0.02, 0.08)
#: Seconds after which a caller may try again.
_SOON: Final = 2


def sqlstate_of(error: BaseException) -> str:
    """Return PostgreSQL's five-letter code of an error, or nothing where the server never spoke."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def refusal_of(error: DatabaseError | InterfaceError) -> DomainError | None:
    """Return the refusal that a database error amounts to; ``None`` where the fault is in our own code."""
    match error:
        case OperationalError() | InterfaceError():
            return _unavailable(sqlstate_of(error))
        case DataError():
            return Invalid("A value does not fit where it would be stored.", code="value_out_of_range")
        case IntegrityError():
            return _conflict(sqlstate_of(error))
    return None


def retry_once_on_deadlock(operation: Callable[[], Result]) -> Result:
    """Call ``operation``, and once more if the database broke it off in favour of another transaction.

    The whole operation must be one transaction, which has been rolled back by then. Inside a larger transaction
    nothing can be repeated, so the error goes to whoever began that one.
    """
    try:
        return operation()
    except OperationalError as error:
        was_broken_off = sqlstate_of(error) in (_DEADLOCK, _SERIALIZATION_FAILURE)
        if not was_broken_off or transaction.get_connection().in_atomic_block:
            raise
        log.warning("transaction_repeated", sqlstate=sqlstate_of(error))
    # The other one is just being woken: taking our locks again before it has run would end in the same embrace.
    time.sleep(random.uniform(*_PAUSE))
    return operation()


def _unavailable(sqlstate: str) -> Unavailable:
    if sqlstate in (_LOCK_NOT_AVAILABLE, _DEADLOCK, _SERIALIZATION_FAILURE):
        return Unavailable("Others are changing the same thing just now. Try again.", code="busy", retry_after=_SOON)
    if sqlstate == _STATEMENT_CANCELLED:
        return Unavailable("This took too long and was given up.", code="timed_out", retry_after=_SOON)
    return Unavailable("The database does not answer just now. Try again.", code="database_unavailable")


def _conflict(sqlstate: str) -> Conflict | None:
    if sqlstate in (_UNIQUE, _EXCLUSION):
        return Conflict("There is one like it already.", code="already_exists")
    if sqlstate == _FOREIGN_KEY:
        return Conflict("Something it points at is gone, or something still points at it.", code="still_in_use")
    return None
