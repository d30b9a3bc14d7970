"""Queue: every few seconds it wants as many jobs as the items of a queue need now, or hands the items out to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core import statements
from apps.core.errors import Problem
from apps.triggers.models import Overlap, Trigger
from apps.triggers.rules import demand
from apps.triggers.rules.demand import BadWishes, Level, Wishes
from apps.triggers.services.kinds.interface import Decided, Wish

MOST_COUNTED = 10_000
"""More waiting items are not counted: they make no difference any more."""
JOBS_PER_HOUR = 3_600
LOOP_JOBS_PER_HOUR = 60
"""Of a trigger whose own jobs add items to its queue, where its configuration says nothing else."""

#: For each trigger: what waits, the oldest and the most urgent of it, whether its own jobs have added any of it; what
#: its jobs work on, how many they are, how many it made within the hour; how long the last items took.
_LEVELS = """
    SELECT t.id, w.items, extract(epoch FROM %(now)s::timestamptz - w.oldest)::float,
        extract(epoch FROM w.deadline - %(now)s::timestamptz)::float, w.own > 0, coalesce(j.items, 0), j.jobs,
        h.jobs, p.seconds, q.paused, q.deleted_at IS NOT NULL
    FROM triggers_trigger t JOIN queues_queue q ON q.id = t.queue_id JOIN processes_process r ON r.id = t.process_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS items, min(available_at) AS oldest, min(deadline) AS deadline,
            count(*) FILTER (WHERE starts_with(created_by, 'job ' || r.name || ' …')) AS own
        FROM (SELECT i.available_at, i.deadline, i.created_by FROM queues_queueitem i
              WHERE i.queue_id = t.queue_id AND i.status = 'new' AND i.deleted_at IS NULL AND i.reserved_for IS NULL
                AND i.available_at <= %(now)s::timestamptz
              ORDER BY i.available_at LIMIT %(most)s) waiting) w
    CROSS JOIN LATERAL (
        SELECT count(*) AS jobs, sum((SELECT count(*) FROM queues_queueitem i WHERE i.job_id = b.id
            AND i.queue_id = t.queue_id AND i.status = 'in_progress' AND i.deleted_at IS NULL))::int AS items
        FROM jobs_job b WHERE b.trigger_id = t.id AND b.status IN ('pending', 'waiting', 'running', 'cancelling')) j
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(f.jobs_made), 0)::int AS jobs FROM triggers_firing f
        WHERE f.trigger_id = t.id AND f.due_at > %(now)s::timestamptz - interval '1 hour') h
    CROSS JOIN LATERAL (
        SELECT avg(extract(epoch FROM d.finished_at - d.taken_at))::float AS seconds
        FROM (SELECT i.finished_at, i.taken_at FROM queues_queueitem i
              WHERE i.queue_id = t.queue_id AND i.finished_at IS NOT NULL AND i.status = 'done'
              ORDER BY i.finished_at DESC LIMIT 100) d) p
    WHERE t.id = ANY (%(triggers)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a queue trigger decides by."""

    level: Level
    feeds_itself: bool
    jobs_in_the_hour: int
    is_paused: bool
    is_gone: bool


class QueueKind:
    """``demand.Wishes`` by name: how many jobs at least and at most, items per job, and how soon all shall be done."""

    counts_its_jobs = True
    is_quiet = True

    def problems(self, trigger: Trigger, *, now: datetime) -> list[Problem]:
        """Return what is wrong with a trigger's numbers and its queue."""
        problems = []
        try:
            demand.read(trigger.configuration)
        except BadWishes as bad:
            problems = [Problem(f"configuration.{name}", message) for name, message in bad.problems]
        queue = trigger.queue
        if queue is None:
            problems.append(Problem("queue", "name the queue whose items it starts jobs for.", "required"))
        elif queue.tenant_id != trigger.tenant_id or queue.deleted_at is not None:
            problems.append(Problem("queue", "does not exist in this tenant.", "unknown"))
        if trigger.overlap != Overlap.ALLOW:
            problems.append(Problem("overlap", "a queue trigger counts its own jobs: say most in its configuration."))
        return problems

    def first_due(self, trigger: Trigger, *, now: datetime) -> datetime | None:
        """Return when to look first: at once, or when it begins."""
        first = max(now, trigger.starts_at or now)
        return first if trigger.ends_at is None or first <= trigger.ends_at else None

    def facts_of(self, triggers: Sequence[Trigger], *, now: datetime) -> Mapping[UUID, Facts]:
        """Return how things are with the queues and jobs of triggers, by one statement."""
        asked = {"triggers": statements.array(one.pk for one in triggers), "now": now, "most": MOST_COUNTED}
        return {row[0]: _facts(row) for row in statements.fetch(_LEVELS, asked)}

    def batch_size(self, trigger: Trigger) -> int:
        """Return how many items each job is handed. Raises ``ValueError`` where the configuration means nothing."""
        return _batch_size(demand.read(trigger.configuration))

    def decide(self, trigger: Trigger, facts: Any, *, now: datetime) -> Decided:
        """Start as many jobs as are wanted and missing, within the cool-down and the cap of an hour."""
        wishes, known = demand.read(trigger.configuration), _own(facts)
        memory = {key: trigger.memory[key] for key in ("started_at", "feeds_itself") if key in trigger.memory}
        if known.feeds_itself:
            memory["feeds_itself"] = True
        following = now + timedelta(seconds=wishes.polling_interval)
        next_at = following if trigger.ends_at is None or following <= trigger.ends_at else None
        if trigger.ends_at is not None and now > trigger.ends_at:
            return Decided([], None, memory)
        wish = _wish(wishes, known, memory, now)
        if wish is not None and wish.jobs:
            memory["started_at"] = now.isoformat()
        return Decided([wish] if wish else [], next_at, memory)


def _wish(wishes: Wishes, known: Facts, memory: Mapping[str, Any], now: datetime) -> Wish | None:
    """Return what is wanted now; ``None`` where nothing is, or not yet."""
    decided = demand.demand(known.level, wishes)
    if not decided.start or _is_cooling(wishes, memory, now):
        return None
    facts = demand.facts(known.level, wishes, decided)
    if known.is_gone:
        return Wish(now, 0, "queue", "The queue was deleted. Name another one.", facts)
    if known.is_paused:
        return Wish(now, 0, "paused", "The queue is paused, so jobs would be given nothing.", facts)
    cap = _cap(wishes, feeds_itself=bool(memory.get("feeds_itself")))
    allowed = min(decided.start, cap - known.jobs_in_the_hour)
    if allowed <= 0:
        told = f"{known.jobs_in_the_hour} jobs were made within the hour, and {cap} are allowed."
        loop = " Its own jobs add items to its queue: see whether that ever ends." if memory.get("feeds_itself") else ""
        return Wish(now, 0, "limit", told + loop, facts | {"jobs_per_hour": cap})
    return Wish(now, allowed, batch_size=_batch_size(wishes), facts=facts)


def _batch_size(wishes: Wishes) -> int:
    return wishes.batch_size if wishes.mode == demand.HAND_OUT else 0


def _is_cooling(wishes: Wishes, memory: Mapping[str, Any], now: datetime) -> bool:
    started = memory.get("started_at")
    since = now - datetime.fromisoformat(started) if started else None
    # A start that lies in the future was noted by a clock that has been put back.
    return since is not None and timedelta(0) <= since < timedelta(seconds=wishes.cool_down)


def _cap(wishes: Wishes, *, feeds_itself: bool) -> int:
    return wishes.jobs_per_hour or (LOOP_JOBS_PER_HOUR if feeds_itself else JOBS_PER_HOUR)


def _facts(row: tuple[Any, ...]) -> Facts:
    _, waiting, oldest, time_left, own, in_progress, live, in_the_hour, seconds, paused, gone = row
    level = Level(waiting, in_progress, live, oldest, time_left, seconds)
    return Facts(level, own, in_the_hour, paused, gone)


def _own(facts: Any) -> Facts:
    if not isinstance(facts, Facts):
        raise ValueError("its queue is gone.")
    return facts
