"""The rows a benchmark works with. Imported once Django is set up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.core import ids
from apps.jobs import services as jobs
from apps.processes.models import Process
from apps.robots import services as robots
from apps.robots.models import Machine
from apps.tenancy.models import Folder, Tenant
from apps.triggers.models import Trigger
from benchmarks.load import RobotPass
from tests import make

ROBOTS_PER_MACHINE = 50
SOURCE = "def main(customer: str = 'x'):\n    return {'customer': customer}\n"


@dataclass(frozen=True, slots=True)
class Site:
    """One tenant with a process and a key to ask for its jobs."""

    tenant: Tenant
    folder: Folder
    process: Process
    key: str


def site() -> Site:
    """Make a tenant, a process, and a service account that may run it."""
    tenant = make.tenant("Benchmark")
    folder = make.folder(tenant)
    process = make.process(folder, package=make.package_version(folder, source=SOURCE).package)
    caller = make.user("processes.run_process", "processes.view_process", "jobs.view_job", inside=tenant)
    return Site(tenant, folder, process, make.api_key(caller, tenant))


def backlog(site: Site, count: int) -> None:
    """Make jobs that wait before the first measurement begins."""
    jobs.create_jobs(site.process, actor=make.SYSTEM, wanted=[jobs.Wanted(parameters={})] * count)


@transaction.atomic
def fleet(tenant: Tenant, count: int) -> list[RobotPass]:
    """Make robots, fifty to a machine."""
    machines = [make.machine(tenant) for _ in range(0, count, ROBOTS_PER_MACHINE)]
    return [_robot(machines[number // ROBOTS_PER_MACHINE], number) for number in range(count)]


def _robot(machine: Machine, number: int) -> RobotPass:
    robot, token = robots.create_robot(machine, actor=make.SYSTEM, name=f"robot-{number:04}")
    return RobotPass(str(robot.pk), token)


def triggers_due(site: Site, count: int, *, processes: int, at: datetime) -> None:
    """Make hourly triggers that are all due at the same moment, shared among some processes."""
    package = site.process.package
    runs = [site.process, *(make.process(site.folder, package=package) for _ in range(processes - 1))]
    pattern = make.trigger(site.process, configuration={"cron": "0 * * * *"}, parameters={"customer": "{{ due_at }}"})
    facts = {field.attname: getattr(pattern, field.attname) for field in Trigger._meta.concrete_fields}
    Trigger.objects.all().delete()
    own = [{"id": ids.uuid7(), "name": f"trigger-{n}", "process_id": runs[n % processes].pk} for n in range(count)]
    made = [Trigger(**(facts | changes | {"next_fire_at": at, "misfire_grace": 3600})) for changes in own]
    Trigger.objects.bulk_create(made, batch_size=1000)
