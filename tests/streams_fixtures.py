"""Opening append-only tables for tests, which is more than the application can do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core.streams import models
from apps.core.streams.tables import NO_CHANGE

#: Every migrate makes the same rows of these, so there is nothing to be gained by making them again.
_MADE_BY_MIGRATE = {"django_content_type", "auth_permission"}
_GUARDED = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = %s AND tgparentid = 0"


@pytest.fixture(scope="session", autouse=True)
def streams_can_be_flushed() -> Iterator[None]:
    """Let the flush after a transactional test empty append-only tables, which refuse it to everybody else.

    It deletes from the tables that have rows: several times faster than truncating every table there is. All within
    one transaction, so that nothing is left open.
    """
    operations = type(connection.ops)

    def flush(self: Any, statements: list[str]) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            full = _tables_with_rows(cursor)
            cursor.execute(_GUARDED, [NO_CHANGE])
            guarded = {table for (table,) in cursor.fetchall()} & full
            for statement in [
                *(f'ALTER TABLE "{table}" DISABLE TRIGGER {NO_CHANGE}' for table in guarded),
                *(f'DELETE FROM "{table}"' for table in full),
                "SET CONSTRAINTS ALL IMMEDIATE",
                *(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {NO_CHANGE}' for table in guarded),
            ]:
                cursor.execute(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "execute_sql_flush", flush)
        yield


def _tables_with_rows(cursor: Any) -> set[str]:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    cursor.execute(" UNION ALL ".join(f"""SELECT '{name}' WHERE EXISTS (SELECT FROM "{name}")""" for name in tables))
    return {table for (table,) in cursor.fetchall()} - _MADE_BY_MIGRATE


#: The oldest transaction still running in this database: rows here can only come from those.
_OLDEST_RUNNING_HERE = """
    SELECT least(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
        (SELECT min(backend_xid::text::bigint) FROM pg_stat_activity WHERE datname = current_database()))
"""


@pytest.fixture(scope="session", autouse=True)
def other_databases_hold_nothing_back() -> Iterator[None]:
    """Let readers of streams not wait for the transactions of tests that run beside, on the same server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "OLDEST_RUNNING", _OLDEST_RUNNING_HERE)
        yield


@contextmanager
def tampering(table: str) -> Iterator[None]:
    """Let rows of ``table`` be changed for the time of the block, as the owner of a table can behind our back."""
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER {NO_CHANGE}')
    yield
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {NO_CHANGE}')


class DatabaseSession:
    """A second connection, held by a thread of its own, that does one thing at a time when told to."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._transaction: Any = None

    def start(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin to call ``function`` there, and return at once."""
        return self._thread.submit(function, *args, **kwargs)

    def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call ``function`` there and return its answer."""
        return self.start(function, *args, **kwargs).result(timeout=30)

    def begin(self) -> int:
        """Open a transaction there and return its id."""
        return self.run(self._begin)

    def commit(self) -> None:
        """Commit the transaction there."""
        self.run(self._transaction.__exit__, None, None, None)

    def close(self) -> None:
        self.run(self._end)
        self._thread.shutdown()

    def _end(self) -> None:
        connection.close()

    def _begin(self) -> int:
        self._transaction = transaction.atomic()
        self._transaction.__enter__()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text::bigint")
            return cursor.fetchone()[0]


@pytest.fixture
def new_session(transactional_db: None) -> Iterator[Any]:
    """Return a function that opens a further database session; all are closed at the end."""
    sessions: list[DatabaseSession] = []

    def open_session() -> DatabaseSession:
        sessions.append(DatabaseSession())
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.close()
