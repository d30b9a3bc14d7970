"""How soon triggers that are all due at the same moment are settled, by a beat and workers as they are in production.

.venv/bin/python -m benchmarks.triggers --triggers 10000 --processes 100
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta

from benchmarks import figures
from benchmarks.ground import ground

PATIENCE = 300.0
"""Seconds after which those that are not settled are given up."""


def main() -> None:
    asked = _arguments()
    with ground("worker", "beat"):
        from benchmarks import rows  # needs Django

        due = datetime.now(UTC) + timedelta(seconds=15 + asked.triggers / 1000)
        rows.triggers_due(rows.site(), asked.triggers, processes=asked.processes, at=due)
        print(figures.load_of_machine())
        time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        marks = _watch(asked.triggers)
        print(figures.table(f"{asked.triggers} triggers of {asked.processes} processes due at once", marks))
        print(figures.table("afterwards", _counts()))
        print(figures.load_of_machine())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.triggers", description=__doc__)
    parser.add_argument("--triggers", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=100, help="that the triggers share (default: 100)")
    return parser.parse_args()


def _watch(count: int) -> list[tuple[str, str]]:
    """Return after how many seconds a part of the triggers was settled."""
    from apps.triggers.models import Firing

    began, marks, wanted = time.monotonic(), [], [0.01, 0.5, 0.9, 1.0]
    while wanted and time.monotonic() - began < PATIENCE:
        settled = Firing.objects.count()
        while wanted and settled >= count * wanted[0]:
            marks.append((f"{wanted.pop(0):.0%} settled", f"after {time.monotonic() - began:.1f} s"))
        time.sleep(0.1)
    return [*marks, *((f"{part:.0%} settled", "never") for part in wanted)]


def _counts() -> list[tuple[str, str]]:
    """Return what there is then, and whether anything is there twice."""
    from django.db.models import Count

    from apps.jobs.models import Job
    from apps.triggers.models import Firing

    twice = Job.objects.values("trigger_id").annotate(count=Count("pk")).filter(count__gt=1).count()
    fired = Firing.objects.filter(status="fired", jobs_made=1).count()
    return [("fired", str(fired)), ("jobs", str(Job.objects.count())), ("triggers with more than one", str(twice))]


if __name__ == "__main__":
    main()
