"""How a queue is doing, read from its indexes: what can be many is counted up to a cap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from apps.core import ids, statements
from apps.queues.models.queues import Queue

#: Further than this nothing that waits is counted.
MOST_COUNTED: Final = 10_000
#: Of what ended in a day so many of the newest are looked at, and what was added in an hour is counted so far.
MOST_ENDED: Final = 50_000
_HOUR: Final = timedelta(hours=1)

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
    )
    SELECT (SELECT count(*) FROM waiting) AS waiting, (SELECT min(available_at) FROM waiting) AS oldest,
        (SELECT count(*) FROM postponed) AS postponed, (SELECT count(*) FROM held) AS in_progress,
        statement_timestamp() AS now
"""
#: A try that was made again counts as retried: a piece of work ends once. Worded so that successors are looked up one
#: by one along their index: EXISTS may read all items there are into a hash.
_ENDED = """
    WITH ended AS (
        SELECT i.status, i.error_type, i.error_code, i.finished_at,
            extract(epoch FROM i.finished_at - i.taken_at)::float AS seconds,
            i.status = 'failed'
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


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there are, as far as they were counted."""

    count: int
    is_capped: bool

    @classmethod
    def of(cls, counted: int) -> Tally:
        """Return what was counted, of which one more than ``MOST_COUNTED`` means that there are more."""
        return cls(min(counted, MOST_COUNTED), counted > MOST_COUNTED)

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
class Statistics:
    """How a queue is doing. Durations are in seconds."""

    waiting: Tally
    postponed: Tally
    in_progress: Tally
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
        waiting=Tally.of(now["waiting"]),
        postponed=Tally.of(now["postponed"]),
        in_progress=Tally.of(now["in_progress"]),
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
