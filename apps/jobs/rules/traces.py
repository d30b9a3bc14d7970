"""What a job traced: what is kept of a step, and the steps as the tree they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from apps.core import masking

#: Steps in one call, and of one execution.
MOST_AT_ONCE: Final = 1_000
MOST_SPANS: Final = 10_000
#: Bytes of JSON of what went into a step, what came out of it, its tags and its other facts: each.
LONGEST_VALUE: Final = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A step as a job told of it."""

    span_id: str
    parent_span_id: str = ""
    name: str
    status: str = "ok"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: float | None = None
    input: Any = None
    output: Any = None
    tags: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


class Step(Protocol):
    """What of a stored step decides its place."""

    @property
    def span_id(self) -> str: ...
    @property
    def parent_span_id(self) -> str: ...


StepT = TypeVar("StepT", bound=Step)


def kept(value: Any) -> Any:
    """Return what is kept of a value: without our tokens, and of one that is too long only how long it was."""
    text = json.dumps(value, ensure_ascii=False)
    size = len(text.encode())
    if size > LONGEST_VALUE:
        return {"left_out": size}
    masked = masking.mask_tokens_in_text(text)
    return value if masked == text else json.loads(masked)


def arrange(steps: Sequence[StepT]) -> list[tuple[StepT, int]]:
    """Return steps with their depths, each behind the one it belongs to, siblings in the order in which they came.

    A step whose parent is not there stands at the top; so does one of each circle, so that nothing is lost.
    """
    known = {step.span_id for step in steps}
    below: dict[str, list[StepT]] = {}
    for step in steps:
        is_below = step.parent_span_id in known and step.parent_span_id != step.span_id
        below.setdefault(step.parent_span_id if is_below else "", []).append(step)
    placed: dict[str, tuple[StepT, int]] = {}
    for root in [*below.get("", []), *steps]:
        for step, depth in _walk(root, below, placed):
            placed[step.span_id] = (step, depth)
    return list(placed.values())


def _walk(root: StepT, below: dict[str, list[StepT]], seen: dict[str, Any]) -> Iterator[tuple[StepT, int]]:
    """Yield a step and all below it that nobody has seen; ``seen`` grows meanwhile."""
    waiting = [(root, 0)]
    while waiting:
        step, depth = waiting.pop()
        if step.span_id not in seen:
            yield step, depth
            waiting += [(child, depth + 1) for child in reversed(below.get(step.span_id, []))]
