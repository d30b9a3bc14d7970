"""The calls of existing BV runners."""

from __future__ import annotations

from uuid import UUID

from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase

from apps.core.actors import Actor
from apps.core.api.bodies import read_json
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.edge.limits import counted
from apps.core.errors import Invalid, NotFound, TooLarge
from apps.jobs import services as jobs
from apps.jobs.models import Execution, ExecutionStatus, JobStatus, with_status
from apps.packages import services as packages
from apps.robots import services as robots
from apps.robots.models import Robot
from apps.runner import services
from apps.runner.authentication import Caller, caller_of, carries_job_token, job_of, speaker_of
from apps.runner.serializers import bv
from apps.runner.views.robots import read_outcome, reply

ENROLMENT = Actor.system("enrolment")
UPDATE_LIMIT = 4 * 1024 * 1024


@counted("introduction")
@api_view("POST")
def connect_machine(request: HttpRequest) -> HttpResponseBase:
    """Let a machine's runner introduce itself; what its robots held before counts as lost."""
    key, signature, name, info = bv.read_machine(read_json(request))
    machine = robots.machine_of_key(key, actor=ENROLMENT)
    machine = services.connect_machine(machine, actor=ENROLMENT, signature=signature, name=name, info=info)
    return reply(bv.machine_body(machine))


@counted("introduction")
@api_view("GET")
def assigned_robots(request: HttpRequest) -> HttpResponseBase:
    """List a machine's robots with their tokens. The key comes in the query, which is never logged."""
    key, signature = request.GET.get("machine_key", ""), request.GET.get("machine_signature", "")
    machine = robots.machine_of_key(key, actor=ENROLMENT)
    robots.meet_machine(machine, actor=ENROLMENT, signature=signature)
    listed = with_status(Robot.objects.alive().filter(machine=machine, enabled=True)).order_by("name")
    bodies = [
        bv.assigned_robot_body(robot, robots.renew_derived_token(robot, actor=ENROLMENT, key=key)) for robot in listed
    ]
    return reply({"machine_id": machine.pk, "robots": bodies, "heartbeat_timeout_seconds": bv.HEARTBEAT_TIMEOUT})


@counted("poll")
@api_view("POST")
def heartbeat(request: HttpRequest) -> HttpResponseBase:
    """Note that a robot is there, and renew what it holds."""
    caller = _present(request)
    services.note_presence(caller.robot, actor=caller.actor)
    return reply({"status": "ok"})


@counted("poll")
@api_view("POST")
def next_job(request: HttpRequest) -> HttpResponseBase:
    """Give a robot its next job; until it shows that it knows of it, the same one again."""
    caller = _present(request)
    execution = services.next_job(caller.robot, actor=caller.actor)
    if execution is None:
        return reply({"job": None})
    related = ("job__process", "job__package_version")
    execution = Execution.objects.select_related(*related).get(pk=execution.pk)
    # The canonical download is another door, which takes nothing for a sign that the job arrived.
    root = request.path.rpartition("/runner/")[0].removesuffix("/v1")
    return reply({"job": bv.job_body(execution, root)})


@counted("uncounted")
@api_view("POST")
def update_job(request: HttpRequest, handle: str) -> HttpResponseBase:
    """Take the report of a job's end. The same again is fine, another end is refused."""
    caller = caller_of(request)
    completed, result, error_message, lines = bv.read_update(read_outcome(request, limit=UPDATE_LIMIT))
    lease = parse_id(handle)
    decision = services.settle_job(
        caller.robot,
        actor=caller.actor,
        handle=lease,
        completed=completed,
        result=result,
        error_message=error_message,
        lines=lines,
    )
    if decision.answer not in (jobs.Answer.ACCEPTED, jobs.Answer.DUPLICATE):
        status = Execution.objects.values_list("job__status", flat=True).get(lease_id=lease)
        raise Invalid(f"Cannot update job in status {status}", code="job_ended")
    return reply({"status": "ok"})


@counted("poll")
@api_view("GET")
def stop_requested(request: HttpRequest, handle: str) -> HttpResponseBase:
    """Say whether a job shall end by itself; also once its lease is gone, whatever runs under a newer one."""
    execution = _asked_about(request, parse_id(handle))
    is_over = execution.status != ExecutionStatus.RUNNING or execution.job.status != JobStatus.RUNNING
    return reply({"stop_requested": is_over or execution.job.stop_requested_at is not None})


@counted("log")
@api_view("POST")
def append_log(request: HttpRequest, execution_id: str) -> HttpResponseBase:
    """Take one line of log from a job or its robot. What a full log has no room for is not stored, which is said."""
    speaker = speaker_of(request)
    line = bv.read_line(read_json(request))
    found = speaker.execution(parse_id(execution_id))
    if speaker.own is None and found.finished_at is None and found.session.is_classic:
        services.note_receipt(found.robot, actor=speaker.actor, handle=found.lease_id)
    try:
        jobs.append_lines(found, actor=speaker.actor, lines=[line])
    except TooLarge:
        return reply({"status": "accepted", "stored": False}, status=202)
    return reply({"status": "accepted", "stored": True}, status=202)


@api_view("GET", "HEAD")
def download(request: HttpRequest, version: str) -> HttpResponseBase:
    """Give a robot the package of a job it holds."""
    caller = caller_of(request)
    found = packages.version_for_robot(parse_id(version), actor=caller.actor, robot=caller.robot)
    for execution in Execution.objects.open().filter(robot=caller.robot, job__package_version=found, receipt_at=None):
        services.note_receipt(caller.robot, actor=caller.actor, handle=execution.lease_id)
    headers = {"ETag": f'"{found.sha256}"', "X-Content-SHA256": found.sha256}
    return FileResponse(
        packages.open_file(found), filename=found.file_name, as_attachment=True, content_type="application/zip",
        headers=headers,
    )  # fmt: skip


def _asked_about(request: HttpRequest, handle: UUID) -> Execution:
    """Return what a robot asks about by lease, or the calling job's own execution by its lease or the job's id."""
    if not carries_job_token(request):
        caller = caller_of(request)
        return services.note_receipt(caller.robot, actor=caller.actor, handle=handle)
    execution = job_of(request).own
    if handle not in (execution.lease_id, execution.job_id):
        raise NotFound("There is no such job here.", code="unknown")
    return execution


def _present(request: HttpRequest) -> Caller:
    """Return the robot that speaks, after checking that it speaks from the host its machine is bound to."""
    caller = caller_of(request)
    signature, info = bv.read_presence(read_json(request), caller.robot)
    robots.meet_machine(caller.robot.machine, actor=caller.actor, signature=signature, info=info)
    return caller
