"""The trace viewer: the steps of an execution as a tree, their lengths as bars, and each step's facts on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.core.admin import display
from apps.core.errors import Invalid
from apps.jobs.models import Execution, ExecutionStatus, Span
from apps.jobs.rules import traces

#: Steps in one piece of a long trace.
STEPS: Final = 500
#: Steps further down are indented no more: the page has an end.
DEEPEST_INDENT: Final = 12
#: The least that shows of a bar, in percent.
_LEAST: Final = 0.5
_EARLY: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shown:
    """A step as the page shows it; ``left`` and ``width`` of its bar are percent of the whole trace."""

    span: Span
    address: str
    indent: int
    length: str
    left: str
    width: str


def viewer(execution: Execution | None) -> dict[str, Any]:
    """Return what the template of the viewer is given: nothing before a first try."""
    return {"address": reverse("admin:jobs_execution_trace", args=[execution.pk])} if execution is not None else {}


def fragment(request: HttpRequest, execution: Execution) -> HttpResponse:
    """Answer a piece of a trace as a fragment of a page, from the step at ``from`` on. Raises ``Invalid``."""
    placed = traces.arrange(_steps(execution))
    begin = _begin(request.GET.get("from", "0"))
    scale = _Scale.of([span for span, _ in placed])
    piece = [_shown(execution, span, depth, scale) for span, depth in placed[begin : begin + STEPS]]
    return render(
        request,
        "jobs/trace_piece.html",
        {
            "address": request.path,
            "steps": piece,
            "count": len(placed),
            "failed": sum(span.status == "error" for span, _ in placed),
            "first": begin + 1,
            "last": begin + len(piece),
            "earlier": max(0, begin - STEPS) if begin else None,
            "later": begin + STEPS if begin + STEPS < len(placed) else None,
            "is_full": not Span.room_of(execution.pk),
            "is_open": execution.status == ExecutionStatus.RUNNING,
        },
    )


def step_fragment(request: HttpRequest, execution: Execution, step: UUID) -> HttpResponse:
    """Answer what went into a step and what came out of it. Raises ``Http404``."""
    span = Span.of(execution.pk).filter(pk=step).first()
    if span is None:
        raise Http404
    values = {"Input": span.input, "Output": span.output, "Tags": span.tags, "More": span.metadata}
    parts = [(title, display.as_json(value)) for title, value in values.items() if value not in (None, {}, [])]
    return render(request, "jobs/trace_step.html", {"span": span, "parts": parts, "facts": _times(span)})


@dataclass(frozen=True, slots=True)
class _Scale:
    """From when to when a trace reaches."""

    begin: datetime
    seconds: float

    @classmethod
    def of(cls, spans: Sequence[Span]) -> _Scale | None:
        """Return the scale that holds all steps whose times are known, if any are."""
        begun = [span.started_at for span in spans if span.started_at]
        if not begun:
            return None
        begin = min(begun)
        end = max(_end_of(span) or begin for span in spans)
        return cls(begin, max((end - begin).total_seconds(), 0.001))

    def place(self, span: Span) -> tuple[str, str]:
        """Return where the bar of a step begins and how wide it is, in percent."""
        if span.started_at is None:
            return "0", "0"
        seconds = ((_end_of(span) or span.started_at) - span.started_at).total_seconds()
        left = min(100 * (span.started_at - self.begin).total_seconds() / self.seconds, 100 - _LEAST)
        width = min(max(100 * seconds / self.seconds, _LEAST), 100 - left)
        return f"{left:.2f}", f"{width:.2f}"


def _steps(execution: Execution) -> list[Span]:
    """Return the steps of an execution by when they began, without what can be long."""
    light = ("span_id", "parent_span_id", "name", "status", "started_at", "ended_at", "duration_ms", "seq")
    steps = Span.latest_of(execution.pk).only(*light)
    return sorted(steps, key=lambda span: (span.started_at or _EARLY, span.seq))


def _begin(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Invalid.field("from", "the place of a step, as a whole number.")
    return int(text)


def _shown(execution: Execution, span: Span, depth: int, scale: _Scale | None) -> Shown:
    left, width = scale.place(span) if scale is not None else ("0", "0")
    return Shown(
        span=span,
        address=reverse("admin:jobs_execution_step", args=[execution.pk, span.pk]),
        indent=min(depth, DEEPEST_INDENT),
        length=_length(span.duration_ms),
        left=left,
        width=width,
    )


def _end_of(span: Span) -> datetime | None:
    if span.ended_at is not None or span.started_at is None:
        return span.ended_at
    return span.started_at + timedelta(milliseconds=span.duration_ms or 0)


def _length(milliseconds: float | None) -> str:
    if milliseconds is None:
        return display.NOTHING
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else display.length(round(milliseconds / 1000, 1))


def _times(span: Span) -> list[tuple[str, Any]]:
    return [
        ("Began", display.moment(span.started_at)),
        ("Ended", display.moment(span.ended_at)),
        ("Took", _length(span.duration_ms)),
        ("Id", display.mono(span.span_id)),
    ]
