"""What idle robots cost: a thousand that sync at the pace they are told and hold the long wait in between.

.venv/bin/python -m benchmarks.idle --robots 1000 --seconds 60
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import psutil

from benchmarks import figures, load
from benchmarks.ground import ground
from benchmarks.load import Seen

if TYPE_CHECKING:
    from tests.plants import Plant

ROLES = ("web", "live")
ARRIVALS_PER_SECOND = 40
"""How fast robots come before the measurement; a herd of them all is another matter."""


def main() -> None:
    asked = _arguments()
    with ground(*ROLES) as plant:
        from benchmarks import rows  # needs Django

        site = rows.site()
        passes = rows.fleet(site.tenant, asked.robots)
        print(figures.load_of_machine())
        seen, used, waiting = _measure(plant, passes, asked)
        syncs = len(seen.taken.get("sync", ()))
        print(f"{asked.robots} robots, {waiting} of them waiting at live; {syncs / asked.seconds:.0f} syncs/s")
        ours = sum(cores for name, cores in used.items() if name != "load")
        print(f"processor: {ours:.2f} cores, {ours / 2:.0%} of two (the load itself not counted)")
        print(figures.table("cores used", [(name, f"{cores:.2f}") for name, cores in used.items()]))
        print(figures.table("memory", [(name, f"{_resident(plant, name):.0f} MB") for name in (*ROLES, "postgres")]))
        print(figures.table("latency", figures.latencies(seen.taken)))
        print(figures.table("errors", [(text, str(count)) for text, count in seen.errors.most_common(10)]))
        print(figures.load_of_machine())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.idle", description=__doc__)
    parser.add_argument("--robots", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the measurement (default: 60)")
    return parser.parse_args()


def _measure(
    plant: Plant, passes: list[load.RobotPass], asked: argparse.Namespace
) -> tuple[Seen, dict[str, float], int]:
    begin_at = time.time() + load.SETTLED_BEFORE + len(passes) / ARRIVALS_PER_SECOND
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = pool.submit(load.idle, plant.url, passes, begin_at, asked.seconds)
        meter = figures.Meter(
            {
                **{name: partial(plant.processes, name) for name in (*ROLES, "postgres")},
                "load": lambda: [psutil.Process(pid) for pid in pool._processes],
            }
        )
        time.sleep(max(0.0, begin_at - time.time()))
        meter.start()
        time.sleep(asked.seconds - 1)
        used, waiting = meter.stop(), _waiting(plant)
        return running.result(), used, waiting


def _waiting(plant: Plant) -> int:
    """Ask live how many robots wait there at this moment."""
    with urllib.request.urlopen(f"{plant.live_url}/health", timeout=10) as answer:
        return int(json.load(answer)["waiting"])


def _resident(plant: Plant, name: str) -> float:
    """Return the megabytes a role holds of its own; what its processes share is counted once."""
    return sum(process.memory_full_info().pss for process in plant.processes(name)) / 1e6


if __name__ == "__main__":
    main()
