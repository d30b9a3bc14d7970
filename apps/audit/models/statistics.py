"""How much was done: by kind of act, by whom, on which day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Max, Q
from django.db.models.functions import TruncDate

from apps.audit.models.entries import AuditEntryQuerySet, Outcome
from apps.audit.rules import type_of
from apps.core.errors import Invalid

#: The longest time that is counted through.
LONGEST: Final = timedelta(days=92)
USUAL: Final = timedelta(days=7)
#: So many actions and actors are told, those with the most entries.
MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Statistics:
    """Entries of a time, counted: by each name (or actor) with the highest first, and by days in their order."""

    since: datetime
    until: datetime
    total: int
    refused: int
    by_type: Sequence[dict[str, Any]]
    by_action: Sequence[dict[str, Any]]
    by_actor: Sequence[dict[str, Any]]
    by_day: Sequence[dict[str, Any]]


def span(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the time to count: the last week, or what is asked for. Raises ``Invalid`` where that is too long."""
    end = until or now
    begin = since or end - USUAL
    if not timedelta(0) < end - begin <= LONGEST:
        raise Invalid.field("from", f"must lie before `to`, and by no more than {LONGEST.days} days.")
    return begin, end


def statistics_of(rows: AuditEntryQuerySet, since: datetime, until: datetime) -> Statistics:
    """Count the entries among ``rows`` of a time, with three questions."""
    rows = rows.between(since, until).order_by()
    refused = Count("pk", filter=Q(outcome=Outcome.REFUSED))
    actions = list(rows.values_list("action").annotate(count=Count("pk"), refused=refused).order_by("-count", "action"))
    actors = rows.values("actor_kind", "actor_id").annotate(count=Count("pk"), actor_name=Max("actor_name"))
    days = rows.annotate(day=TruncDate("ts", tzinfo=UTC)).values("day").annotate(count=Count("pk")).order_by("day")
    types: Counter[str] = Counter()
    for action, count, _ in actions:
        types[type_of(action)] += count
    return Statistics(
        since=since,
        until=until,
        total=types.total(),
        refused=sum(refused for *_, refused in actions),
        by_type=[{"name": name, "count": count} for name, count in types.most_common()],
        by_action=[{"name": action, "count": count} for action, count, _ in actions[:MOST]],
        by_actor=list(actors.order_by("-count", "actor_id")[:MOST]),
        by_day=list(days),
    )
