"""Whole runs: a tenant on real roles, real robots to start there, and everything asked for over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from apps.robots import services as robots
from apps.robots.models import Robot
from apps.tenancy.models import Folder, Tenant
from tests import make, robots_at_work, roles
from tests.robots_at_work import RunningRobot

EXAMPLES = roles.CHECKOUT / "examples"
PATIENCE = 60.0
"""Seconds after which something that never happens ends a test."""
QUICK = {"SYNC_MIN": "0.2", "SYNC_MAX": "0.4", "RENEW_EVERY": "1", "KILL_GRACE": "1", "SESSION_SILENCE": "3"}
"""Roles that are asked often, so that no test waits for a pace meant for days."""
MAY = (
    "tenancy.view_folder", "packages.upload_package", "packages.view_package", "packages.view_packageversion",
    "processes.add_process",
    "processes.change_process", "processes.view_process", "processes.run_process", "jobs.view_job", "jobs.cancel_job",
    "jobs.retry_job", "robots.view_robot", "robots.change_robot", "queues.view_queueitem", "queues.take_queueitem",
    "assets.view_asset", "assets.add_asset",
)  # fmt: skip


class Flow:
    """One tenant with a key to ask for things, and the robots that were started for it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self._homes = url, folder
        self.tenant: Tenant = make.tenant("Flow")
        self.folder: Folder = make.folder(self.tenant)
        self.key = make.api_key(make.user(*MAY, inside=self.tenant), self.tenant)
        self.robots: list[RunningRobot] = []
        self._http = httpx.Client(base_url=f"{url}/api/v1", headers={"X-Api-Key": self.key}, timeout=30)

    def close(self) -> None:
        """End every robot and what it runs."""
        for robot in self.robots:
            robot.end_everything()
        self._http.close()

    # Robots

    def machine(self) -> tuple[Any, str]:
        """A machine of the tenant and its enrolment key."""
        return robots.create_machine(self.tenant, actor=make.SYSTEM, name=f"machine-{time.monotonic_ns()}")

    def robot(self, *, slots: int = 1, labels: tuple[str, ...] = (), **given: Any) -> RunningRobot:
        """Start a new robot on a machine of its own; it enrols by itself."""
        machine, key = self.machine()
        name = f"robot-{len(self.robots)}-{time.monotonic_ns()}"
        robots.create_robot(machine, actor=make.SYSTEM, name=name, slots=slots, labels=labels)
        given = {"home": self._homes / name, "url": self.url, "key": key, "name": name} | given
        robot = robots_at_work.start(**given)
        self.robots.append(robot)
        return robot

    def again(self, robot: RunningRobot, **given: Any) -> RunningRobot:
        """Start the robot of a home once more."""
        started = robots_at_work.start(**({"home": robot.home} | given))
        self.robots.append(started)
        return started

    def row(self, robot: RunningRobot) -> Robot:
        """The robot as the database knows it."""
        return Robot.objects.get(name=robot.home.name)

    # What people ask for

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Make a call that must succeed, and return what it answers."""
        answer = self._http.request(method, path, **({"json": body} if body is not None else {}), **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    def upload(self, file: Path) -> Any:
        """Publish a package file; returns the version."""
        with file.open("rb") as data:
            return self.call("POST", "/packages/upload", files={"file": (file.name, data, "application/zip")})

    def example(self, name: str) -> Any:
        """Build one of the examples as its author would, and publish it; returns the package's id."""
        place = self._homes / "packages"
        built = robots_at_work.run_command("package", "build", str(EXAMPLES / name), "--output", str(place))
        assert built.returncode == 0, built.stdout + built.stderr
        return self.upload(next(place.glob(f"{name}*.bvpackage")))["package"]["id"]

    def process(self, source: str = "", *, package: Any = None, **fields: Any) -> str:
        """Make a process of a package (or its id), or of one with ``source`` in ``main.py``; returns its id."""
        package = package or make.package_version(self.folder, source=source).package
        known = str(getattr(package, "pk", package))
        wanted = {"name": f"process-{time.monotonic_ns()}", "package": known, "folder": str(self.folder.pk)}
        return str(self.call("POST", "/processes", wanted | fields)["id"])

    def run(self, process: str, **wanted: Any) -> str:
        """Ask for a process to run once; returns the job's id."""
        return str(self.call("POST", "/jobs", {"process": process} | wanted)["id"])

    def ask(self, job: str, what: str, **body: Any) -> Any:
        """``cancel``, ``kill``, ``stop`` or ``retry`` a job."""
        return self.call("POST", f"/jobs/{job}/{what}", body)

    # What becomes of it

    def job(self, job: str) -> Any:
        """The job as the API shows it."""
        return self.call("GET", f"/jobs/{job}")

    def executions(self, job: str) -> list[Any]:
        """The tries at a job, first one first."""
        return sorted(self.call("GET", f"/jobs/{job}/executions")["items"], key=lambda row: row["number"])

    def log(self, job: str) -> str:
        """The whole log of the last try, as text."""
        return str(self.call("GET", f"/executions/{self.executions(job)[-1]['id']}/log/text"))

    def wait(self, job: str, *states: str) -> Any:
        """Wait until a job is in one of these states (else: has ended) and return it."""
        wanted = states or ("completed", "failed", "cancelled")
        return self.until(lambda: (found := self.job(job))["status"] in wanted and found)

    def wait_for_log(self, job: str, words: str) -> None:
        """Wait until something was logged, which shows how far a job has come."""
        self.until(lambda: self.executions(job) and words in self.log(job))

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Wait until something is true and return it; the limit only guards against hanging."""
        deadline = time.monotonic() + PATIENCE
        while not (found := is_so()):
            assert time.monotonic() < deadline, "\n".join(robot.messages() for robot in self.robots)
            time.sleep(0.05)
        return found


@contextmanager
def flow(folder: Path, *, with_live: bool = False, **settings: str) -> Iterator[Flow]:
    """Have a flow on roles of its own, on the database Django works on, for the time of a block."""
    more = QUICK | settings
    with roles.running("live", health="/health", log=folder / "live.log", **more) if with_live else _nothing() as live:
        if live is not None:
            more |= {"LIVE_URL": live[0]}
        with roles.running("web", health="/health/live", log=folder / "web.log", **more) as (url, _):
            made = Flow(url, folder)
            try:
                yield made
            finally:
                made.close()


@contextmanager
def _nothing() -> Iterator[None]:
    yield None
