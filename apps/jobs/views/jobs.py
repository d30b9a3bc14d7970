"""Jobs."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import PAGE_PARAMETERS
from apps.core.api.pagination import NewestFirst
from apps.core.api.rows import Reason
from apps.core.api.strict_json import NODE_LIMIT
from apps.jobs import services
from apps.jobs.filters import JobFilters
from apps.jobs.models import Artefact, Execution, Job, why, with_latest_execution
from apps.jobs.serializers.artefacts import ArtefactOut
from apps.jobs.serializers.executions import ExecutionOut
from apps.jobs.serializers.jobs import (
    CreatedJobs,
    CreateJob,
    CreateJobs,
    FailJob,
    JobOut,
    JobRow,
    JobWhyOut,
    PrioritiseJob,
)
from apps.jobs.views.pages import JOB_PATHS, NewestJobs
from apps.robots.models import Robot
from apps.tenancy.views.pages import BigTableViewSet

#: Values in the body of a bulk create: a thousand jobs with their parameters.
BULK_NODES: Final = 100_000
#: What can be megabytes long, and no list shows.
_LONG: Final = ("parameters", "result", "error")
EXECUTIONS: Final = Execution.objects.select_related("robot", "process")


class JobViewSet(BigTableViewSet):
    """Jobs: requests to run a process once."""

    http_method_names = ["get", "head", "post", "options"]
    queryset = with_latest_execution(Job.objects.select_related("folder", "process", "target_robot", "target_machine"))
    serializer_class = JobOut
    filterset_class = JobFilters
    pagination_class = NewestJobs
    view_permission = "jobs.view_job"
    paths = JOB_PATHS
    query_parameters = {"executions": PAGE_PARAMETERS, "artefacts": PAGE_PARAMETERS}
    input_serializers = {
        "create": CreateJob,
        "bulk": CreateJobs,
        "stop": Reason,
        "cancel": Reason,
        "kill": Reason,
        "resume": Reason,
        "fail": FailJob,
        "prioritise": PrioritiseJob,
    }

    @property
    def node_limit(self) -> int:
        """How many values a body may have."""
        return BULK_NODES if self.action == "bulk" else NODE_LIMIT

    def get_queryset(self) -> QuerySet[Job]:
        """Return the jobs the caller may see; a list leaves out what can be long."""
        visible = super().get_queryset()
        return visible.defer(*_LONG) if self.action == "list" else visible

    def get_serializer_class(self) -> Any:
        """Return the lean shape for lists."""
        return JobRow if self.action == "list" else super().get_serializer_class()

    def create(self, request: Request) -> Response:
        """Ask for a process to run once. Its parameters are checked now, against the version it will run."""
        asked = self.asked()
        process = asked.pop("process")
        wanted = services.Wanted(**asked)
        job = services.create_job(process, actor=self.actor, wanted=wanted)
        job.queue_item_ids = sorted(wanted.queue_items)
        return self.created(job)

    def shown(self, row: Any) -> Any:
        """Return a job again with all that its answer shows. One that was just made is known whole."""
        if self.action != "create":
            return super().shown(row)
        row.latest_execution = None
        return row

    @extend_schema(responses={201: CreatedJobs})
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """Ask for up to 1,000 runs of one process at once: all are made, or none."""
        asked = self.asked()
        targets: dict[str, Any] = {name: asked.get(name) for name in ("target_robot", "target_machine")}
        wanted = [services.Wanted(**one, **targets) for one in asked["jobs"]]
        jobs = services.create_jobs(asked["process"], actor=self.actor, wanted=wanted)
        return Response(CreatedJobs({"count": len(jobs), "jobs": [job.pk for job in jobs]}).data, status=201)

    @action(detail=True, methods=["post"])
    def stop(self, request: Request, id: Any) -> Response:
        """Ask a job to end by itself when it can. One that has not begun is cancelled."""
        return self.operate(services.stop_job)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, id: Any) -> Response:
        """Cancel a job: at once while it waits; otherwise its robot is asked, waits the grace, then kills it.

        A success that arrives first is kept. Asking again changes nothing.
        """
        return self.operate(services.cancel_job)

    @action(detail=True, methods=["post"])
    def kill(self, request: Request, id: Any) -> Response:
        """Take a job away from its robot now. It is cancelled at once; the robot learns on its next contact."""
        return self.operate(services.kill_job)

    @extend_schema(responses={201: JobOut})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, id: Any) -> Response:
        """Run a finished job again, as a new one with the same parameters that points at it."""
        return self.created(services.retry_job(self._job(), actor=self.actor))

    @action(detail=True, methods=["post"])
    def resume(self, request: Request, id: Any) -> Response:
        """Let a held job be tried again, after somebody looked at what the lost try did."""
        return self.operate(services.resume_job)

    @action(detail=True, methods=["post"])
    def fail(self, request: Request, id: Any) -> Response:
        """Settle a held job as failed: it shall not run again."""
        return self.operate(services.fail_job)

    @action(detail=True, methods=["post"])
    def prioritise(self, request: Request, id: Any) -> Response:
        """Move a job that has not begun forwards or backwards in line. Higher runs sooner."""
        return self.operate(services.prioritise_job)

    @extend_schema(responses=JobWhyOut, operation_id="jobs_why")
    @action(detail=True, methods=["get"])
    def why(self, request: Request, id: Any) -> Response:
        """Explain why a job is not running: what keeps each robot from taking it, and what is nearest to be done."""
        known = Robot.objects.alive().visible_to(self.actor)
        return Response(JobWhyOut(why.why_job(self._job(), among=known)).data)

    @extend_schema(responses=ExecutionOut(many=True))
    @action(
        detail=True,
        methods=["get"],
        filterset_class=None,
        serializer_class=ExecutionOut,
        pagination_class=NewestFirst,
    )
    def executions(self, request: Request, id: Any) -> Response:
        """List the tries of a job, the newest first."""
        page = self.paginate_queryset(EXECUTIONS.filter(job=self._job()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=ArtefactOut(many=True))
    @action(
        detail=True,
        methods=["get"],
        filterset_class=None,
        serializer_class=ArtefactOut,
        pagination_class=NewestFirst,
    )
    def artefacts(self, request: Request, id: Any) -> Response:
        """List the files that the tries of a job left, the newest first."""
        page = self.paginate_queryset(Artefact.objects.filter(job=self._job()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def _job(self) -> Job:
        job: Any = self.get_object()
        return job  # type: ignore[no-any-return]
