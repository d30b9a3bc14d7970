"""What every stream is made of. No tables here."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Func
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import TransactionManagementError

from apps.core import ids
from apps.core.streams.cursors import Cursor
from apps.core.streams.fields import SequenceField, XidField
from apps.core.streams.periods import Period

#: It counts the transactions of every database of the server: which of them could write here, only a superuser can see.
OLDEST_RUNNING = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


class _After(Func):
    """``(xid, seq) > (…, …)`` as one row comparison, which one walk along the index of both answers."""

    def __init__(self, cursor: Cursor) -> None:
        super().__init__(models.F("xid"), models.F("seq"), output_field=models.BooleanField())
        self.cursor = cursor

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        xid, seq = (compiler.compile(column)[0] for column in self.get_source_expressions())
        # Subqueries hide the pair from the planner: seeing it within a large transaction, it takes what follows for
        # almost nothing, and reads and sorts all of that for each page. The first half tells it enough.
        condition = f"({xid} >= %s::xid8 AND ({xid}, {seq}) > ((SELECT %s::xid8), (SELECT %s::bigint)))"
        return condition, [str(self.cursor.xid), str(self.cursor.xid), self.cursor.seq]


class StreamQuerySet(models.QuerySet):
    """Reading a stream in its one safe order."""

    def after(self, cursor: Cursor, *, below: int) -> Self:
        """Return the rows beyond ``cursor`` whose transaction id is lower than ``below``, in order."""
        return self.filter(_After(cursor), xid__lt=below).order_by("xid", "seq")

    def up_to(self, cursor: Cursor) -> Self:
        """Return the rows that ``cursor`` has passed."""
        return self.exclude(_After(cursor))


class Stream(models.Model):
    """A table that only grows at its end, is cut into partitions by time, and loses its oldest one whole.

    Rows are partitioned by ``id``, a UUIDv7, so that the key stays the key. **A reader follows the pair (xid, seq)**
    and stops below the oldest transaction still running: ``seq`` alone skips a row whose transaction began later, took
    a lower number and commits after the reader has passed. Among rows written under one row's lock — the events of one
    job, say — ``seq`` alone is the order in which they happened.

    Nothing may point at a stream with a foreign key, and a unique constraint must contain ``id``.
    """

    #: A month suits streams read by cursor, which look into every partition; a day suits bulky ones kept for weeks.
    PARTITION_BY: ClassVar[Period] = Period.MONTH
    #: Whether the database refuses UPDATE and DELETE. TRUNCATE is refused in any case.
    APPEND_ONLY: ClassVar[bool] = True

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    xid = XidField()
    seq = SequenceField()

    class Meta:
        abstract = True


def edge() -> int:
    """Return the oldest transaction id that is still running: every lower one has ended, and its rows show."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST_RUNNING)
        (xid,) = cursor.fetchone()
    return int(xid)


def read_page(rows: Any, cursor: Cursor, *, limit: int, walk: int | None = None) -> tuple[list[Any], Cursor]:
    """Return up to ``limit`` rows of ``rows`` after ``cursor``, oldest first, and the cursor to go on from.

    ``rows`` may be filtered: the cursor then also passes what the filter left out, so that the next reader does not
    look at it again. ``walk`` is after how many rows of the stream, whatever the filter says of them, a page ends: a
    reader to whom little belongs goes through a long stream in steps instead of in one statement.
    """
    # Asked first: what had ended by then has certainly ended for the statement that follows.
    below = edge()
    if walk is not None:
        below = min(below, _transaction_after(rows.model, cursor, below, walk))
    page = list(rows.after(cursor, below=below)[:limit])
    if len(page) == limit:
        return page, cursor.at(page[-1].xid, page[-1].seq)
    return page, max(cursor, cursor.at(below, 0))


def _transaction_after(model: Any, cursor: Cursor, below: int, walk: int) -> int:
    """Return the transaction id behind that of the row which lies ``walk`` rows further on; ``below`` if none does."""
    places = model.objects.after(cursor, below=below).values_list("xid", flat=True)
    far = places[walk - 1 : walk]
    return next((int(xid) + 1 for xid in far), below)


def require_transaction(what: str) -> None:
    """Raise ``TransactionManagementError`` where a row of a stream would not share the fate of what it tells of."""
    if not connection.in_atomic_block:
        raise TransactionManagementError(f"{what} belongs in the transaction of the change it tells of.")
