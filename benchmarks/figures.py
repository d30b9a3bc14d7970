"""What the benchmarks measure with, and how they print it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import psutil


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0–1) of the values lie; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return two columns under a title."""
    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    return "\n".join([f"\n{title}", *(f"  {name:<{width}}  {value}" for name, value in listed)])


def latencies(by_call: Mapping[str, Sequence[float]]) -> list[tuple[str, str]]:
    """Return a row for each kind of call: how many, and p50, p95, p99 and the slowest in milliseconds."""
    return [(call, f"{len(taken):>7} calls   {_spread(taken)}") for call, taken in by_call.items()]


def _spread(taken: Sequence[float]) -> str:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "slowest": 1.0}
    return "   ".join(f"{name} {percentile(taken, share) * 1000:7.1f}" for name, share in shares.items()) + " ms"


class Meter:
    """The processor time that groups of processes use between ``start`` and ``stop``.

    ``groups`` names for each role a function that returns its processes; those that end in between are counted with
    the process that started them.
    """

    def __init__(self, groups: Mapping[str, Callable[[], list[psutil.Process]]]) -> None:
        self._groups = groups
        self._before: dict[str, dict[int, float]] = {}
        self._began = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._before = {name: _times(processes()) for name, processes in self._groups.items()}
        self._began = time.monotonic()

    def stop(self) -> dict[str, float]:
        """Return the cores each role used on average, such as 0.35."""
        passed = time.monotonic() - self._began
        return {
            name: sum(max(0.0, spent - self._before[name].get(pid, 0.0)) for pid, spent in _times(processes()).items())
            / passed
            for name, processes in self._groups.items()
        }


def load_of_machine() -> str:
    """Say how busy the machine is with everything there is, for the record."""
    one, five, _ = os.getloadavg()
    return f"load average {one:.1f} (1 min), {five:.1f} (5 min) on {os.cpu_count()} processors"


def _times(processes: list[psutil.Process]) -> dict[int, float]:
    spent = {}
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent[process.pid] = times.user + times.system + times.children_user + times.children_system
    return spent
