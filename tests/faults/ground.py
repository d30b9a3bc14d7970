"""What fault tests stand on: a tenant on a plant, simulated robots, jobs asked for over HTTP, and the end of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import httpx
from django.db import InterfaceError, OperationalError, connection

from apps.jobs.models import Job, JobStatus
from apps.jobs.models.invariants import check_live
from apps.robots import services as robots
from tests import make
from tests.faults.simulated import ClientLog, SimulatedRobot, ask
from tests.plants import Plant

PATIENCE = 90.0
SETTLED = {*Job.final_states(), JobStatus.WAITING}


class Ground:
    """One tenant with a process of nothing but a name: simulated robots run no code."""

    def __init__(self, plant: Plant) -> None:
        self.plant, self.log = plant, ClientLog()
        self.tenant = make.tenant("Faults")
        self.folder = make.folder(self.tenant)
        self.package = make.package_version(self.folder).package
        caller = make.user("processes.run_process", "processes.view_process", "jobs.view_job", "jobs.cancel_job",
                           inside=self.tenant)  # fmt: skip
        self._headers = {"X-Api-Key": make.api_key(caller, self.tenant)}
        self.robots: list[SimulatedRobot] = []

    def process(self, **fields: Any) -> Any:
        """A process of this tenant."""
        return make.process(self.folder, package=self.package, **fields)

    def robot(self, *, url: str = "", slots: int = 1, **how: Any) -> SimulatedRobot:
        """Start a simulated robot, on the plant's own address by default."""
        machine, _ = robots.create_machine(self.tenant, actor=make.SYSTEM, name=f"machine-{uuid.uuid4()}")
        row, token = robots.create_robot(machine, actor=make.SYSTEM, name=f"robot-{uuid.uuid4()}", slots=slots)
        robot = SimulatedRobot(url or self.plant.url, row, token, self.log, slots=slots, **how)
        self.robots.append(robot)
        robot.start()
        return robot

    def run(self, process: Any, count: int = 1, *, url: str = "") -> list[str]:
        """Ask for jobs, each again with its key until the answer is there; returns their ids."""
        return [self._run_one(process, url or self.plant.url) for _ in range(count)]

    def _run_one(self, process: Any, url: str) -> str:
        key = str(uuid.uuid4())
        body, headers = {"process": str(process.pk)}, self._headers | {"Idempotency-Key": key}
        answer = ask(lambda: httpx.post(f"{url}/api/v1/jobs", json=body, headers=headers, timeout=5), PATIENCE)
        assert answer.status_code == 201, answer.text
        self.log.add("created", job=answer.json()["id"], key=key)
        return str(answer.json()["id"])

    def operate(self, job: str, what: str, *, url: str = "") -> httpx.Response:
        """``cancel`` or ``kill`` a job; a repeated answer that it has ended already is fine."""
        address = f"{url or self.plant.url}/api/v1/jobs/{job}/{what}"
        return ask(lambda: httpx.post(address, json={}, headers=self._headers, timeout=5), PATIENCE)

    def post(self, path: str, body: dict[str, Any], *, timeout: float) -> httpx.Response:
        """Ask once, for as long as that may take."""
        address = f"{self.plant.url}/api/v1{path}"
        return httpx.post(address, json=body, headers=self._headers, timeout=timeout)

    def until(self, is_so: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Wait until something is true and return it; the limit only guards against hanging."""
        deadline = time.monotonic() + seconds
        while not (found := _asked(is_so)):
            assert time.monotonic() < deadline, f"it never became true; the roles said: {self.plant.folder / 'logs'}"
            time.sleep(0.1)
        return found

    def drain(self, *, seconds: float = PATIENCE) -> dict[str, str]:
        """Wait until every job has ended or waits for a person; returns the states by job."""
        jobs = Job.objects.filter(tenant=self.tenant)
        self.until(lambda: not jobs.exclude(status__in=SETTLED).exists(), seconds)
        self.until(lambda: not any(robot.spool.reports for robot in self.robots), seconds)
        self.stop()
        # The connection may be one of before the database was stopped.
        [states] = self.until(lambda: [dict(jobs.values_list("pk", "status"))])
        return {str(pk): status for pk, status in states.items()}

    def stop(self) -> None:
        """End the robots."""
        for robot in self.robots:
            robot.stop()


def _asked(is_so: Callable[[], Any]) -> Any:
    """Ask; a database that is away just now means not yet."""
    try:
        return is_so()
    except (OperationalError, InterfaceError):
        connection.close()
        return None


def assert_invariants(client_log: Iterable[dict[str, Any]] | None = None) -> None:
    """Everything that must always be true is true, here and by what the clients wrote down."""
    broken = [str(finding) for finding in check_live(client_log) if not finding.holds]
    assert not broken, "\n".join(broken)
