"""The steps that jobs trace, in both spellings of existing BV clients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from apps.core.errors import Invalid, Problem, TooLarge
from apps.jobs.rules.traces import MOST_AT_ONCE, Traced
from apps.runner.serializers.robots import Body, table, text

#: What a field of ours is called by clients of the released packages, and by those before them.
SPELLINGS: Final = {
    "span_id": ("span_id", "spanId"),
    "parent_span_id": ("parent_span_id", "parentSpanId"),
    "name": ("name",),
    "status": ("status",),
    "started_at": ("start_time", "startTime"),
    "ended_at": ("end_time", "endTime"),
    "duration_ms": ("duration_ms", "durationMs"),
    "input": ("input_payload", "input"),
    "output": ("output_payload", "output"),
    "tags": ("tags",),
    "metadata": ("span_metadata", "metadata"),
}
_STATUSES: Final = {"ok": "ok", "error": "error", "unset": "ok"}
LONGEST_ID: Final = 64
_MOST_PROBLEMS: Final = 20
#: From here on a number of a time counts milliseconds.
_MILLISECONDS: Final = 1e11


def read_spans(data: Mapping[str, Any]) -> list[Traced]:
    """Read the steps of one call. Raises ``TooLarge``, and ``Invalid`` that names each wrong field by its place."""
    told = data.get("spans")
    if not isinstance(told, list):
        raise Invalid.field("spans", "must be a list of spans.")
    if len(told) > MOST_AT_ONCE:
        raise TooLarge(f"There are {len(told)} spans; at most {MOST_AT_ONCE} are taken at once.", limit=MOST_AT_ONCE)
    trace_id = data.get("traceId")
    shared = {"trace_id": trace_id[:LONGEST_ID]} if isinstance(trace_id, str) else {}
    problems: list[Problem] = []
    spans = [_read_span(f"spans.{number}", one, shared, problems) for number, one in enumerate(told)]
    if problems:
        first = "; ".join(f"{problem.field}: {problem.message}" for problem in problems[:_MOST_PROBLEMS])
        raise Invalid(first, problems=problems[:_MOST_PROBLEMS])
    return [span for span in spans if span is not None]


def _read_span(place: str, told: Any, shared: dict[str, Any], problems: list[Problem]) -> Traced | None:
    if not isinstance(told, dict):
        problems.append(Problem(place, "must be an object."))
        return None
    names = {ours: next((one for one in theirs if one in told), theirs[0]) for ours, theirs in SPELLINGS.items()}
    body = Body(told)
    metadata = body.take(names["metadata"], table, "an object", default={})
    tags = body.take(names["tags"], _tags, "an object or a list of texts", default={})
    facts: dict[str, Any] = {
        "span_id": body.take(names["span_id"], _identity, f"a text of at most {LONGEST_ID} characters"),
        "parent_span_id": body.take(names["parent_span_id"], _parent, "the id of another span, or null", default=""),
        "name": body.take(names["name"], text, "a text"),
        "status": body.take(names["status"], _status, "ok or error", default=_status_in(metadata, tags)),
        "started_at": body.take(names["started_at"], _moment, "a time in ISO 8601", default=None),
        "ended_at": body.take(names["ended_at"], _moment, "a time in ISO 8601", default=None),
        "duration_ms": body.take(names["duration_ms"], _milliseconds, "a number of milliseconds", default=None),
    }
    problems += [Problem(f"{place}.{problem.field}", problem.message, problem.code) for problem in body.problems]
    if body.problems:
        return None
    facts["duration_ms"] = _duration(**{name: facts[name] for name in ("started_at", "ended_at", "duration_ms")})
    facts |= {"input": told.get(names["input"]), "output": told.get(names["output"])}
    return Traced(**facts, tags=tags, metadata=shared | metadata)


def _identity(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID:
        raise ValueError(value)
    return value


def _parent(value: Any) -> str:
    return _identity(value) if value != "" else ""


def _status(value: Any) -> str:
    return _STATUSES[str(value).lower()]


def _status_in(metadata: Any, tags: Any) -> str:
    """Return how a step ended whose client knows no status of its own: such a one says it beside."""
    said = {**(tags or {}), **(metadata or {})}
    return "error" if said.get("error") or str(said.get("status", "")).lower() == "error" else "ok"


def _tags(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {text(tag): True for tag in value}
    return table(value)


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        found = datetime.fromisoformat(value.replace("Z", "+00:00"))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = _of_number(float(value))
    else:
        raise ValueError(value)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if not 1970 <= found.year < 2200:
        raise ValueError(value)
    return found


def _of_number(value: float) -> datetime:
    seconds = value / 1000 if value >= _MILLISECONDS else value
    if not 0 <= seconds < 7e9:
        raise ValueError(value)
    return datetime.fromtimestamp(seconds, tz=UTC)


def _milliseconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12 or math.isnan(value):
        raise ValueError(value)
    return float(value)


def _duration(started_at: datetime | None, ended_at: datetime | None, duration_ms: float | None) -> float | None:
    if duration_ms is not None or started_at is None or ended_at is None:
        return duration_ms
    return max(0.0, (ended_at - started_at).total_seconds() * 1000)
