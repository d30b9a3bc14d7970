"""How a queue is doing, read from its indexes: what can be many is counted up to a cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from apps.core import ids, statements
from apps.queues.models.queues import Queue

#: Further than this nothing that waits is counted.
MOST_COUNTED: Final = 10_000
#: Of what ended in a day so many of the newest are looked at, and what was added in an hour is counted so far.
MOST_ENDED: Final = 50_000
#: Of each queue in a list nothing is counted further.
MOST_GLANCED: Final = 1_000
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)

#: The order makes each part walk along the index that the cap then cuts short.
_NOW = """
    WITH waiting AS (
        SELECT available_at FROM queues_queueitem
        WHERE queue_id = %(queue)s AND status = 'new' AND deleted_at IS NULL AND reserved_for IS NULL
          AND available_at <= statement_timestamp()
        ORDER BY queue_id, available_at LIMIT %(most)s + 1
    ), postponed AS (
        SELECT 1 FROM queues_queueitem
        WHERE queue_id = %(queue)s AND status = 'new' AND deleted_at IS NULL AND available_at > statement_timestamp()
        ORDER BY queue_id, available_at LIMIT %(most)s + 1
    ), held AS (
        SELECT 1 FROM queues_itemlease WHERE queue_id = %(queue)s AND closed_at IS NULL LIMIT %(most)s + 1
    ), late AS (
        SELECT 1 FROM queues_queueitem
        WHERE queue_id = %(queue)s AND status IN ('new', 'in_progress') AND deleted_at IS NULL
          AND late_at <= statement_timestamp()
        ORDER BY queue_id, late_at LIMIT %(most)s + 1
    )
    SELECT (SELECT count(*) FROM waiting) AS waiting, (SELECT min(available_at) FROM waiting) AS oldest,
        (SELECT count(*) FROM postponed) AS postponed, (SELECT count(*) FROM held) AS in_progress,
        (SELECT count(*) FROM late) AS late, statement_timestamp() AS now
"""
#: A try that was made again counts as retried: a piece of work ends once. Worded so that successors are looked up one
#: by one along their index: EXISTS may read all items there are into a hash.
_ENDED = """
    WITH ended AS (
        SELECT i.status, i.error_type, i.error_code, i.finished_at,
            extract(epoch FROM i.finished_at - i.taken_at)::float AS seconds,
            i.status IN ('failed', 'abandoned')
                AND (SELECT true FROM queues_queueitem r WHERE r.retry_of_id = i.id LIMIT 1) IS NOT NULL AS again
        FROM queues_queueitem i
        WHERE i.queue_id = %(queue)s AND i.finished_at IS NOT NULL
          AND i.finished_at > statement_timestamp() - interval '24 hours'
        ORDER BY i.queue_id DESC, i.finished_at DESC LIMIT %(most)s + 1
    )
    SELECT status, error_type, error_code, again, grouping(status) = 1 AS is_whole, count(*) AS count,
        avg(seconds) AS average, percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
        min(finished_at) AS first,
        count(*) FILTER (WHERE finished_at > statement_timestamp() - interval '1 hour') AS last_hour
    FROM ended GROUP BY GROUPING SETS ((status, error_type, error_code, again), ())
"""
_ADDED = """
    SELECT count(*) FROM (
        SELECT 1 FROM queues_queueitem WHERE queue_id = %(queue)s AND id >= %(since)s
        ORDER BY queue_id DESC, id DESC LIMIT %(most)s) newest
"""

_GLANCE = """
    SELECT q.id, w.waiting, w.oldest, h.held, f.failed FROM unnest(%(queues)s::uuid[]) AS q (id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting, min(available_at) AS oldest FROM (
            SELECT available_at FROM queues_queueitem
            WHERE queue_id = q.id AND status = 'new' AND deleted_at IS NULL AND reserved_for IS NULL
              AND available_at <= statement_timestamp()
            ORDER BY queue_id, available_at LIMIT %(most)s + 1) line) w
    CROSS JOIN LATERAL (
        SELECT count(*) AS held FROM (
            SELECT 1 FROM queues_itemlease WHERE queue_id = q.id AND closed_at IS NULL LIMIT %(most)s + 1) leases) h
    CROSS JOIN LATERAL (
        SELECT count(*) AS failed FROM (
            SELECT 1 FROM queues_queueitem i
            WHERE i.queue_id = q.id AND i.status = 'failed'
              AND i.finished_at > statement_timestamp() - interval '24 hours'
              AND (SELECT true FROM queues_queueitem r WHERE r.retry_of_id = i.id LIMIT 1) IS NULL
            ORDER BY i.queue_id DESC, i.finished_at DESC LIMIT %(most)s + 1) ended) f
"""
_FLOW = """
    WITH arrived AS (
        SELECT created_at AS at FROM queues_queueitem WHERE queue_id = %(queue)s AND id >= %(since)s
        ORDER BY queue_id DESC, id DESC LIMIT %(most)s
    ), ended AS (
        SELECT finished_at AS at FROM queues_queueitem
        WHERE queue_id = %(queue)s AND finished_at IS NOT NULL
          AND finished_at > statement_timestamp() - interval '24 hours'
        ORDER BY queue_id DESC, finished_at DESC LIMIT %(most)s
    ), both_ways AS (
        SELECT true AS is_arrival, at FROM arrived UNION ALL SELECT false, at FROM ended
    )
    SELECT is_arrival, date_bin('1 minute', at, timestamptz 'epoch') AS minute, count(*) AS count
    FROM both_ways GROUP BY is_arrival, minute ORDER BY minute
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there are, as far as they were counted."""

    count: int
    is_capped: bool

    @classmethod
    def of(cls, counted: int, most: int) -> Tally:
        """Return what was counted, of which one more than ``most`` means that there are more."""
        return cls(min(counted, most), counted > most)

    @property
    def shown(self) -> str:
        return f"{self.count:,}{'+' if self.is_capped else ''}"


@dataclass(frozen=True, slots=True)
class Ends:
    """How many items ended in one way."""

    status: str
    error_type: str
    error_code: str
    count: int


@dataclass(frozen=True, slots=True)
class Glance:
    """What a list tells of a queue; ``failed`` is that of the last day."""

    waiting: Tally
    in_progress: Tally
    failed: Tally
    oldest_waiting_at: datetime | None


@dataclass(frozen=True, slots=True)
class Flow:
    """How many items came and how many ended, minute by minute, in the last day or in what was looked at of it."""

    arrived: list[tuple[datetime, int]]
    ended: list[tuple[datetime, int]]
    #: Since when nothing is missing.
    since: datetime


@dataclass(frozen=True, slots=True)
class Statistics:
    """How a queue is doing. Durations are in seconds."""

    waiting: Tally
    postponed: Tally
    in_progress: Tally
    #: Unfinished after the time that the queue promises.
    late: Tally
    oldest_waiting_at: datetime | None
    oldest_waiting_seconds: float | None
    since: datetime
    is_sampled: bool
    ends: list[Ends]
    retried: int
    average_seconds: float | None
    p95_seconds: float | None
    added_per_hour: float
    finished_per_hour: float
    is_paused: bool

    @property
    def done(self) -> int:
        return self._ended_as("done")

    @property
    def failed(self) -> int:
        return self._ended_as("failed")

    @property
    def abandoned(self) -> int:
        return self._ended_as("abandoned")

    @property
    def empty_in_seconds(self) -> float | None:
        """In how many seconds nothing will wait at the pace of the last hour; ``None`` means never."""
        if not self.waiting.count:
            return 0.0
        shrinks_by = self.finished_per_hour - self.added_per_hour
        return self.waiting.count / shrinks_by * 3600 if shrinks_by > 0 and not self.is_paused else None

    @property
    def forecast(self) -> str:
        """When it will be empty, in words."""
        pace = f"In the last hour {self.added_per_hour:,.0f} were added and {self.finished_per_hour:,.0f} ended"
        if not self.waiting.count:
            return "Nothing waits."
        if self.is_paused:
            return "It is paused: nothing is handed out until it is resumed."
        if self.empty_in_seconds is None:
            return f"{pace}: at this pace it does not become empty."
        least = "not before " if self.waiting.is_capped else "in about "
        return f"{pace}: at this pace it is empty {least}{_in_words(self.empty_in_seconds)}."

    def failures(self, error_type: str) -> int:
        """Return how many failed of one kind of error."""
        return sum(one.count for one in self.ends if one.status == "failed" and one.error_type == error_type)

    def _ended_as(self, status: str) -> int:
        return sum(one.count for one in self.ends if one.status == status)


def statistics_of(queue: Queue) -> Statistics:
    """Read how a queue is doing, with three statements whose work is bounded whatever the table holds."""
    facts: dict[str, Any] = {"queue": queue.pk, "most": MOST_COUNTED}
    [now] = statements.fetch_named(_NOW, facts)
    ended = statements.fetch_named(_ENDED, facts | {"most": MOST_ENDED})
    [[added]] = statements.fetch(_ADDED, facts | {"since": ids.first_id_at(now["now"] - _HOUR), "most": MOST_ENDED})
    whole = next(row for row in ended if row["is_whole"])
    is_sampled = whole["count"] > MOST_ENDED
    return Statistics(
        waiting=Tally.of(now["waiting"], MOST_COUNTED),
        postponed=Tally.of(now["postponed"], MOST_COUNTED),
        in_progress=Tally.of(now["in_progress"], MOST_COUNTED),
        late=Tally.of(now["late"], MOST_COUNTED),
        oldest_waiting_at=now["oldest"],
        oldest_waiting_seconds=(now["now"] - now["oldest"]).total_seconds() if now["oldest"] else None,
        since=whole["first"] if is_sampled else now["now"] - timedelta(hours=24),
        is_sampled=is_sampled,
        ends=_ends(ended),
        retried=sum(row["count"] for row in ended if row["again"]),
        average_seconds=whole["average"],
        p95_seconds=whole["p95"],
        added_per_hour=float(added),
        finished_per_hour=_pace(whole, is_sampled, now["now"]),
        is_paused=queue.paused,
    )


def glance_at(queues: Sequence[UUID]) -> dict[UUID, Glance]:
    """Read how each of the queues of a list is doing, with one statement."""
    rows = statements.fetch(_GLANCE, {"queues": statements.array(queues), "most": MOST_GLANCED})
    return {
        queue: Glance(
            waiting=Tally.of(waiting, MOST_GLANCED),
            in_progress=Tally.of(held, MOST_GLANCED),
            failed=Tally.of(failed, MOST_GLANCED),
            oldest_waiting_at=oldest,
        )
        for queue, waiting, oldest, held, failed in rows
    }


def flow_of(queue: Queue) -> Flow:
    """Read how many items came to a queue and ended in the last day, looking at the newest of each alone."""
    now = timezone.now()
    facts = {"queue": queue.pk, "since": ids.first_id_at(now - _DAY), "most": MOST_ENDED}
    ways: dict[bool, list[tuple[datetime, int]]] = {True: [], False: []}
    for is_arrival, minute, count in statements.fetch(_FLOW, facts):
        ways[is_arrival].append((minute, count))
    full = [way[0][0] + _MINUTE for way in ways.values() if sum(count for _, count in way) >= MOST_ENDED]
    return Flow(arrived=ways[True], ended=ways[False], since=min(now, max([now - _DAY, *full])))


def _ends(rows: list[dict[str, Any]]) -> list[Ends]:
    found = [row for row in rows if not row["is_whole"] and not row["again"]]
    ends = [Ends(row["status"], row["error_type"], row["error_code"], row["count"]) for row in found]
    return sorted(ends, key=lambda one: (-one.count, one.status, one.error_type, one.error_code))


def _pace(whole: dict[str, Any], is_sampled: bool, now: datetime) -> float:
    """Return how many ended in an hour, also where the newest that were looked at cover less than one."""
    if is_sampled and whole["first"] > now - _HOUR:
        return float(whole["count"] * 3600 / max(1.0, (now - whole["first"]).total_seconds()))
    return float(whole["last_hour"])


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 48 * 3600 else f"{round(seconds / 86400)} days"
