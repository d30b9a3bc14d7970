"""What the processes count for Prometheus. Every process writes to files of its own; a scrape adds them up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
from django.conf import settings
from django.core.files import locks
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WAIT_BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
#: Files of processes that have ended are added up under this name in place of a process id.
_ENDED: Final = "ended"

# Metrics open their files as they are made. Where the files are, the library takes from the environment; the settings
# put it there, because it must be known before the library is imported.
Path(settings.METRICS_DIR).mkdir(parents=True, exist_ok=True)

REQUEST_SECONDS = Histogram(
    "bv_http_request_duration_seconds",
    "Requests answered and the time they took, by method, route template and status.",
    ["method", "route", "status"],
    buckets=_BUCKETS,
    registry=None,
)
CLAIM_WAIT_SECONDS = Histogram(
    "bv_job_claim_wait_seconds",
    "Time from the moment a job could run to the moment a robot was given it.",
    buckets=_WAIT_BUCKETS,
    registry=None,
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request. ``route`` is a template, never a path: it must not grow with the data."""
    known = method if method in _METHODS else "other"
    REQUEST_SECONDS.labels(known, route or "unmatched", str(status)).observe(seconds)


def observe_claim(seconds: float) -> None:
    """Count one job given to a robot, ``seconds`` after it could have run."""
    CLAIM_WAIT_SECONDS.observe(max(seconds, 0.0))


def exposition(directory: Path) -> bytes:
    """Return, in Prometheus' text format, what all processes of this installation counted, ended ones included."""
    with _alone_in(directory):
        _fold_ended(directory)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def fold_ended(directory: Path) -> None:
    """Fold the files of processes that have ended, where nobody asks for the numbers."""
    with _alone_in(directory):
        _fold_ended(directory)


def _fold_ended(directory: Path) -> None:
    """Add the files of processes that have ended to one file, so that totals stay and files do not pile up."""
    for file in sorted(directory.glob("*_*.db")):
        kind, _, process = file.stem.rpartition("_")
        if process.isdigit() and not psutil.pid_exists(int(process)):
            _fold(file, directory / f"{kind}_{_ENDED}.db")


def _fold(file: Path, total: Path) -> None:
    into: Any = MmapedDict(str(total))  # type: ignore[no-untyped-call]
    for key, value, _, _ in into.read_all_values_from_file(str(file)):
        into.write_value(key, into.read_value(key)[0] + value, 0.0)
    into.close()
    file.unlink()


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Wait until nobody else reads or folds: two at once would count a file twice, or miss it."""
    with (directory / "reading.lock").open("w") as file:
        locks.lock(file, locks.LOCK_EX)
        try:
            yield
        finally:
            locks.unlock(file)
