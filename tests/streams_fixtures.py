"""Opening append-only tables for tests, which is more than the application can do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core.streams.tables import NO_CHANGE, NO_TRUNCATE


def _for_each_table_with(trigger: str, statement: str) -> str:
    return f"""
        DO $$ DECLARE found regclass; BEGIN
            FOR found IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = '{trigger}' AND tgparentid = 0
            LOOP EXECUTE format('{statement}', found); END LOOP;
        END $$
    """


_OPEN = [
    _for_each_table_with(NO_TRUNCATE, f"ALTER TABLE %s DISABLE TRIGGER {NO_TRUNCATE}"),
    _for_each_table_with(NO_TRUNCATE, "GRANT TRUNCATE ON %s TO CURRENT_USER"),
]
_CLOSE = [
    _for_each_table_with(NO_TRUNCATE, f"ALTER TABLE %s ENABLE ALWAYS TRIGGER {NO_TRUNCATE}"),
    _for_each_table_with(NO_TRUNCATE, "REVOKE TRUNCATE ON %s FROM CURRENT_USER"),
]


@pytest.fixture(scope="session", autouse=True)
def streams_can_be_flushed() -> Iterator[None]:
    """Let the flush after a transactional test empty append-only tables, within its own transaction."""
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def open_and_flush(self: Any, statements: list[str]) -> None:
        flush(self, [*_OPEN, *statements, *_CLOSE])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "execute_sql_flush", open_and_flush)
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
