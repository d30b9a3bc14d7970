"""Along which indexes the pages of jobs and executions are read."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet

from apps.core.api.identifiers import parse_id
from apps.core.api.ranges import within
from apps.jobs.models import Execution, ExecutionStatus
from apps.rbac import services as rbac
from apps.tenancy.views.pages import NewestOfEachPlace, Path

JOB_PATHS: Final = (
    Path(("trigger_id",)),
    Path(("process_id", "status")),
    Path(("process_id",)),
    Path(("package_version_id",)),
    Path(("tenant_id", "reason")),
    Path(("tenant_id", "status")),
    Path(("folder_id",)),
    Path(("tenant_id", "kind")),
    Path(("tenant_id", "source")),
    Path(("tenant_id",), is_key=True),
)
#: Open executions are few, and found by an index of their own; completed ones are most of a tenant's.
_RUNNING: Final = frozenset({ExecutionStatus.RUNNING.value})
_USUAL: Final = _RUNNING | {ExecutionStatus.COMPLETED.value}
EXECUTION_PATHS: Final = (
    Path(("robot_id",)),
    Path(("process_id",)),
    Path(("tenant_id", "status"), unless={"status": _USUAL}),
    Path(("folder_id",), unless={"status": _RUNNING}),
    Path(("tenant_id",), unless={"status": _RUNNING}, is_key=True),
)
#: Jobs of a robot that are looked at in one step at most.
_LONGEST_STEP: Final = 5000


class NewestJobs(NewestOfEachPlace):
    """Finds the jobs that a robot tried by its executions: a job itself does not know its robots."""

    def fetch(self, rows: QuerySet, count: int, view: Any) -> list[Any]:
        robot = view.request.query_params.get("robot")
        if robot is None:
            return super().fetch(rows, count, view)
        is_rising = not str(rows.query.order_by[0]).startswith("-")
        tried = Execution.objects.filter(**within("robot_id", parse_id(robot)))
        tenant = tried.order_by("robot_id").values_list("tenant_id", flat=True).first()
        actor, permission = view.actor, view.view_permission
        if not rbac.reach(actor, permission).touches(tenant):
            return []
        rows = rbac.visible(rows, actor, permission)
        tried = tried.order_by("-robot_id", "job_id") if is_rising else tried.order_by("robot_id", "-job_id")
        return self._in_steps(rows, tried, count, "gt" if is_rising else "lt")

    def _in_steps(self, rows: QuerySet, tried: QuerySet[Execution], count: int, beyond: str) -> list[Any]:
        """Look at ever more of the robot's jobs until a page is full or there are no more."""
        found: list[Any] = []
        place: Any = self.cursor.key[0] if self.cursor else None
        step = count
        while len(found) < count:
            further = tried if place is None else tried.filter(**{f"job_id__{beyond}": place})
            jobs = [job for _, job in further.values_list("robot_id", "job_id").distinct()[:step]]
            found += rows.filter(pk__in=jobs)
            if len(jobs) < step:
                break
            place, step = jobs[-1], min(step * 4, _LONGEST_STEP)
        return found[:count]
