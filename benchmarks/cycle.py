"""How many jobs go through in a second: create, claim, start and finish over HTTP, beside the same work as bare SQL.

.venv/bin/python -m benchmarks.cycle --robots 16 --seconds 30
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks import figures, load
from benchmarks.ground import ground
from benchmarks.load import Seen

if TYPE_CHECKING:
    from benchmarks.bare import Bare
    from benchmarks.rows import Site
    from tests.plants import Plant

START_SECONDS = 8.0
"""Until when all load processes have opened their sessions."""
BACKLOG = 200
"""Jobs that wait all the time, so that no claim finds only what others have just locked."""


def main() -> None:
    asked = _arguments()
    given = {"--workers": asked.web_workers, "--threads": asked.web_threads}
    web = tuple(str(part) for one in given.items() if one[1] is not None for part in one)
    with ground("web", web=web) as plant:
        from benchmarks import bare, rows  # need Django

        site = rows.site()
        bare.make_robots(site, asked.robots)
        rows.backlog(site, BACKLOG)
        passes = rows.fleet(site.tenant, asked.robots)
        print(figures.load_of_machine())
        without_us = bare.run(plant, site, clients=asked.robots, seconds=asked.seconds)
        bare_jobs = _jobs(site)
        print(f"bare SQL: {without_us.cycles_per_second:.0f} cycles/s, {without_us.milliseconds:.1f} ms each")
        seen, used = _over_http(plant, site, passes, asked)
        rate = seen.cycles / asked.seconds
        print(f"over HTTP: {rate:.0f} cycles/s with {asked.robots} robots in {asked.processes} load processes")
        print(f"ratio: {rate / without_us.cycles_per_second:.3f}")
        print(figures.table("processor time of a cycle, in ms", _spent(without_us, used, rate)))
        print(figures.table("latency", figures.latencies(seen.taken)))
        print(figures.table("cores used", [(name, f"{cores:.2f}") for name, cores in used.items()]))
        print(figures.table("doubles", _doubles(site, seen, bare_jobs)))
        print(figures.table("errors", [(text, str(count)) for text, count in seen.errors.most_common(10)]))
        print(figures.load_of_machine())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.cycle", description=__doc__)
    parser.add_argument("--robots", type=int, default=16)
    parser.add_argument("--processes", type=int, default=1, help="load processes (default: 1)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of the two measurements (default: 20)")
    parser.add_argument("--web-workers", type=int, help="processes of web (default: web's own)")
    parser.add_argument("--web-threads", type=int, help="requests at once in each (default: web's own)")
    return parser.parse_args()


def _over_http(
    plant: Plant, site: Site, passes: list[load.RobotPass], asked: argparse.Namespace
) -> tuple[Seen, dict[str, float]]:
    begin_at = time.time() + START_SECONDS
    shares = [passes[number :: asked.processes] for number in range(asked.processes)]
    with ProcessPoolExecutor(asked.processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        facts = (plant.url, site.key, str(site.process.pk))
        running = [pool.submit(load.cycles, *facts, share, begin_at, asked.seconds) for share in shares]
        meter = figures.Meter(
            {
                "web": lambda: plant.processes("web"),
                "postgres": lambda: plant.processes("postgres"),
                "load": lambda: [psutil.Process(pid) for pid in pool._processes],
            }
        )
        time.sleep(max(0.0, begin_at - time.time()))
        meter.start()
        time.sleep(asked.seconds)
        used = meter.stop()
        seen = Seen()
        for one in running:
            seen.add(one.result())
    return seen, used


def _spent(without_us: Bare, used: dict[str, float], rate: float) -> list[tuple[str, str]]:
    """Tell what a cycle costs: on a machine that does other things as well, a truer measure than the rate."""
    bare_cost = {name: 1000 * cores / without_us.cycles_per_second for name, cores in without_us.cores.items()}
    our_cost = {name: 1000 * cores / rate for name, cores in used.items()}
    return [
        ("bare SQL", f"{sum(bare_cost.values()):.1f} ({_listed(bare_cost)})"),
        ("over HTTP", f"{sum(our_cost.values()):.1f} ({_listed(our_cost)})"),
        ("ratio", f"{sum(bare_cost.values()) / sum(our_cost.values()):.3f}"),
    ]


def _listed(costs: dict[str, float]) -> str:
    return ", ".join(f"{name} {cost:.1f}" for name, cost in costs.items())


def _jobs(site: Site) -> int:
    return int(site.process.jobs.count())


def _doubles(site: Site, seen: Seen, before: int) -> list[tuple[str, str]]:
    """Count what must not be: leases given twice, jobs tried twice or never ended although their robot reported."""
    from apps.jobs.models import Execution, Job

    ours: dict[str, Any] = {"process": site.process}
    tried = Counter(Execution.objects.filter(**ours).values_list("job_id", flat=True).iterator())
    completed = Job.objects.filter(status="completed", **ours).count()
    return [
        ("leases seen twice by robots", str(len(seen.leases) - len(set(seen.leases)))),
        ("jobs with more than one execution", str(sum(1 for count in tried.values() if count > 1))),
        ("jobs completed", f"{completed} (of {_jobs(site)} made, {before} by pgbench)"),
    ]


if __name__ == "__main__":
    main()
