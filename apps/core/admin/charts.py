"""Lines over time, as shapes that a template draws: no script, no image, and the same said in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil
from statistics import fmean

from django.utils import timezone

#: The plane the shapes are drawn on, whatever its size on the page.
WIDTH, HEIGHT = 240, 100
#: Draws a panel of ``charts``, their ``marks``, a ``note`` below, and what to say where there are none (``empty``).
TEMPLATE = "operator/panels/charts.html"
#: Marks on the axis of time.
MARKS = 4

Series = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Axis:
    """The time a chart covers, in steps of one length; every chart of a page has the same."""

    begins: datetime
    step: timedelta
    steps: int

    @classmethod
    def until_now(cls, span: timedelta, step: timedelta) -> Axis:
        """Return the axis of the last ``span``, whose steps begin at whole multiples of ``step``."""
        now = timezone.now().timestamp()
        ends = (now // step.total_seconds() + 1) * step.total_seconds()
        begins = datetime.fromtimestamp(ends, tz=timezone.get_default_timezone()) - span
        return cls(begins, step, round(span / step))

    def means(self, values: Iterable[tuple[datetime, float | None]]) -> Series:
        """Return the mean of what was measured in each step, and ``None`` where nothing was."""
        return [fmean(each) if each else None for each in self._by_step(values)]

    def sums(self, values: Iterable[tuple[datetime, float | None]]) -> Series:
        """Return the sum of what was counted in each step; nothing counted is 0."""
        return [sum(each) for each in self._by_step(values)]

    def _by_step(self, values: Iterable[tuple[datetime, float | None]]) -> list[list[float]]:
        found: list[list[float]] = [[] for _ in range(self.steps)]
        for moment, value in values:
            place = (moment - self.begins) // self.step
            if value is not None and 0 <= place < self.steps:
                found[place].append(value)
        return found

    @property
    def marks(self) -> list[str]:
        """The times along the axis as the reader's clock shows them, from its beginning to now."""
        span = self.step * self.steps
        moments = (timezone.localtime(self.begins + span * part / MARKS) for part in range(MARKS))
        return [*(moment.strftime("%H:%M") for moment in moments), "now"]


@dataclass(frozen=True, slots=True)
class Chart:
    """One line: its shapes, its scale, and what it shows in words."""

    title: str
    line: str
    area: str
    scale: tuple[str, str, str]
    now: str
    words: str


def draw(title: str, series: Series, *, top: float, shown: Callable[[float], str]) -> Chart | None:
    """Return a chart from 0 to ``top``, or to the half above the highest value; ``None`` where nothing was measured."""
    known = [value for value in series if value is not None]
    if not known:
        return None
    top = max(top, ceil(2 * max(known)) / 2)
    runs = _runs(series, top)
    now = shown(known[-1])
    words = f"{title}: last {now}, lowest {shown(min(known))}, highest {shown(max(known))}, mean {shown(fmean(known))}."
    return Chart(
        title,
        line=" ".join(_line(run) for run in runs),
        area=" ".join(_area(run) for run in runs),
        scale=(shown(top), shown(top / 2), shown(0)),
        now=now,
        words=words,
    )


def _runs(series: Series, top: float) -> list[list[tuple[float, float]]]:
    """Return the points of each stretch without a gap."""
    wide = WIDTH / len(series)
    points = [
        (round((place + 0.5) * wide, 1), None if value is None else round(HEIGHT * (1 - value / top), 1))
        for place, value in enumerate(series)
    ]
    stretches = groupby(points, key=lambda point: point[1] is not None)
    runs = [[(x, y) for x, y in stretch if y is not None] for is_known, stretch in stretches if is_known]
    return [run if len(run) > 1 else _widened(*run[0], wide) for run in runs]


def _widened(x: float, y: float, wide: float) -> list[tuple[float, float]]:
    """Return a lonely point as a line as long as its step: a dot would hardly be seen."""
    return [(round(x - wide / 2, 1), y), (round(x + wide / 2, 1), y)]


def _line(run: list[tuple[float, float]]) -> str:
    (x, y), *rest = run
    return f"M{x} {y}" + "".join(f"L{x} {y}" for x, y in rest)


def _area(run: list[tuple[float, float]]) -> str:
    return f"M{run[0][0]} {HEIGHT}" + "".join(f"L{x} {y}" for x, y in run) + f"L{run[-1][0]} {HEIGHT}Z"
