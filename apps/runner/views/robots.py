"""The canonical robot API: sessions, sync, reports, logs, packages."""

from __future__ import annotations

import gzip
import zlib
from typing import Any, Final

import orjson
from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.configuration.models import Setting
from apps.core import context
from apps.core.actors import Actor
from apps.core.api.bodies import read_body, read_json
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.api.problems import problem
from apps.core.api.strict_json import parse_json_bytes, parse_json_object, require_object
from apps.core.edge import metrics
from apps.core.edge.limits import counted
from apps.core.edge.middleware import quiet
from apps.core.errors import Invalid, TooLarge
from apps.jobs import services as jobs
from apps.jobs.models import Plane
from apps.jobs.services import Answer
from apps.packages import services as packages
from apps.robots import services as robots
from apps.robots.models import Robot
from apps.runner import rules, services
from apps.runner.authentication import caller_of, token_of
from apps.runner.serializers.leases import leases_of
from apps.runner.serializers.packages import version_for
from apps.runner.serializers.robots import Body, read_newcomer, read_presence, read_report, table, text, truth

KIBIBYTE: Final = 1024
SYNC_LIMIT, REPORT_OVERHEAD = 256 * KIBIBYTE, 256 * KIBIBYTE
#: Values in a report: what a job returned may be one long list.
REPORT_NODES = 600_000
JSON: Final = ("application/json",)
LOG_KINDS: Final = ("application/x-ndjson", "application/octet-stream")
#: Answers to a report that mean "kept aside".
_CONFLICTS = {
    Answer.CONFLICT: "Another end of this lease is stored already. This one is kept aside.",
    Answer.LATE: "The job has moved on. The result is kept aside.",
    Answer.REVOKED: "An operator took this job away. The result is kept aside.",
    Answer.UNKNOWN_LEASE: "This lease is not known any more. The result is kept aside.",
    Answer.UNKNOWN_JOB: "This job is not known any more. The result is kept aside.",
}


def reply(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """Return a JSON answer; orjson writes UUIDs and times by itself."""
    data = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    return HttpResponse(data, status=status, content_type="application/json", headers=headers)


def read_outcome(request: HttpRequest, *, limit: int) -> dict[str, Any]:
    """Return the JSON object of a report. Only its length bounds what a job returned, which may be a single text."""
    raw = read_body(request, kinds=JSON, limit=limit)
    return require_object(parse_json_bytes(raw, limit=limit, node_limit=REPORT_NODES, string_limit=limit))


@counted("introduction")
@api_view("POST")
def register(request: HttpRequest) -> HttpResponseBase:
    """Let a robot introduce itself with a key; the same host, name and key give the same robot and token."""
    body = Body(read_json(request))
    key = body.take("machine_key", text, "the machine's key or an enrolment key")
    name = body.take("name", text, "the robot's name")
    signature = body.take("machine_signature", lambda value: text(value, 1000), "a text that identifies this host")
    machine_name = body.take("machine_name", text, "a text", default="")
    info = body.take("machine_info", table, "an object", default={})
    is_ephemeral = body.take("ephemeral", truth, "true or false", default=False)
    body.done()
    host = robots.Host(signature=signature, address=context.current().address, name=machine_name, info=info)
    robot, token = robots.enrol_robot(
        key, actor=Actor.system("enrolment"), host=host, name=name, is_ephemeral=is_ephemeral
    )
    return reply({"robot_id": robot.pk, "machine_id": robot.machine_id, "name": robot.name, "api_token": token})


@api_view("POST")
def open_session(request: HttpRequest) -> HttpResponseBase:
    """Open a session for a robot's process."""
    caller = caller_of(request)
    newcomer, signature, running, highest = read_newcomer(read_json(request))
    protocol = rules.common(newcomer.protocols, rules.spoken())
    if protocol is None:
        program = str(newcomer.agent.get("version", ""))[:40]
        raise services.turn_away(
            caller.robot, actor=caller.actor, protocols=newcomer.protocols, program=program
        )  # Once what it stored has been committed.
    _notice(highest)
    opened = services.open_session(
        caller.robot, actor=caller.actor, newcomer=newcomer, signature=signature, running=running
    )
    plane = Plane.objects.first()
    robot = Robot.objects.select_related("machine", "tenant").get(pk=caller.robot.pk)
    body = {
        "session": opened.session.pk,
        "resume_secret": opened.resume_secret,
        "robot": {
            "id": robot.pk,
            "name": robot.name,
            "tenant": robot.tenant.slug,
            "slots": robot.slots,
            "labels": _labels(robot),
            "token_expires_in": caller.token_expires_in,
        },
        "protocol": protocol,
        "leases": opened.leases,
        "settings": _durations(robot),
        "config": _config(robot, caller.token_expires_in),
        "epoch": plane.epoch if plane else 1,
        "tick": plane.tick if plane else 0,
    }
    return reply(body, status=201)


@counted("poll")
@quiet
@api_view("POST")
def sync(request: HttpRequest) -> HttpResponseBase:
    """The one hot call: presence, renewals and, with free slots, a claim."""
    token = token_of(request)
    raw = read_body(request, kinds=JSON, limit=SYNC_LIMIT)
    presence = read_presence(parse_json_object(raw, limit=SYNC_LIMIT), raw)
    answered = services.sync_robot(token, presence=presence)
    _notice((presence.epoch, presence.tick), (answered.epoch, answered.tick))
    leases = leases_of(answered.grants.values())
    grants = [{"wish": wish, "lease": leases[pk].body} for wish, pk in answered.grants.items()]
    for lease in leases.values():
        metrics.observe_claim(lease.waited)
    wait = {"url": f"{settings.LIVE_URL}/wait", "ticket": answered.ticket} if answered.ticket else None
    body = {
        "seq": presence.seq,
        "leases": answered.leases,
        "watched": answered.watched,
        "grants": grants,
        "next_sync_in": answered.next_sync_in,
        "wait": wait,
        "config": answered.config,
        "epoch": answered.epoch,
        "tick": answered.tick,
    }
    return reply(body)


@api_view("POST")
def start(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Note that a robot has the package and begins."""
    caller = caller_of(request)
    read_json(request)  # Nothing in it decides anything: the lease says it all.
    execution = jobs.find_lease(parse_id(lease), actor=caller.actor)
    token = jobs.start_with_token(execution, actor=caller.actor)
    return reply({"answer": "started", "job_token": str(token)})


@counted("uncounted")
@api_view("POST")
def release(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Take a job back from its robot; it costs no attempt."""
    caller = caller_of(request)
    body = Body(read_json(request))
    reason = body.take("reason", text, "a text", default="")
    body.done()
    execution = jobs.find_lease(parse_id(lease), actor=caller.actor)
    jobs.release_execution(execution, actor=caller.actor, reason=reason)
    return reply({"answer": "released"})


@counted("uncounted")
@api_view("POST")
def finish(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Take a robot's report of how an execution ended."""
    caller = caller_of(request)
    limit = settings.RESULT_LIMIT_BYTES + REPORT_OVERHEAD
    report = read_report(read_outcome(request, limit=limit))
    decision = jobs.finish_execution(caller.robot, actor=caller.actor, lease_id=parse_id(lease), report=report)
    if decision.answer in _CONFLICTS:
        return problem(409, decision.answer.value, _CONFLICTS[decision.answer])
    if decision.answer is Answer.SEND_LOG:
        return reply({"answer": "send_log", "offset": decision.offset, "adopted": decision.adopted}, status=202)
    return reply({"answer": decision.answer.value, "adopted": decision.adopted})


@counted("log")
@api_view("PUT")
def log(request: HttpRequest, lease: str) -> HttpResponseBase:
    """Store a piece of a log at its byte offset."""
    caller = caller_of(request)
    offset, crc32 = _log_place(request)
    data = _log_bytes(request)
    execution = jobs.find_lease(parse_id(lease), actor=caller.actor)
    try:
        execution = jobs.append_log(execution, actor=caller.actor, offset=offset, data=data, crc32=crc32)
    except jobs.LogGap as gap:
        return problem(416, gap.code, str(gap), **gap.extra)
    headers = {"X-Log-Offset": str(execution.log_length)}
    if execution.log_truncated:
        headers["X-Log-Truncated"] = "true"
    return HttpResponse(status=204, headers=headers)


@api_view("GET", "HEAD")
def download(request: HttpRequest, version: str) -> HttpResponseBase:
    """Give a robot the package that an open execution of its own names, or that it could be asked to run now."""
    caller = caller_of(request)
    found = version_for(caller.robot, parse_id(version), actor=caller.actor)
    etag = f'"{found.sha256}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    headers = {"ETag": etag, "X-Content-SHA256": found.sha256}
    return FileResponse(
        packages.open_file(found), as_attachment=True, filename=found.file_name, content_type="application/zip",
        headers=headers,
    )  # fmt: skip


def _labels(robot: Robot) -> list[str]:
    return sorted({*robot.labels, *robot.machine.labels})


def _config(robot: Robot, token_expires_in: float | None) -> dict[str, Any]:
    """Return what a sync says of the robot's own, so that it need not wait for one."""
    return {
        "draining": robot.draining,
        "slots": robot.slots,
        "labels": _labels(robot),
        "settings": robot.pushed_settings,
        "token_expires_in": token_expires_in,
    }


def _durations(robot: Robot) -> dict[str, Any]:
    usual = Setting.objects.lately("jobs", robot.tenant_id)
    return {
        "sync_min": settings.SYNC_MIN,
        "sync_max": settings.SYNC_MAX,
        "wait_max": settings.WAIT_MAX,
        "renew_every": settings.RENEW_EVERY,
        "lease_ttl": usual["lease_seconds"],
        "kill_grace": usual["grace_seconds"],
        "log_every": settings.LOG_EVERY,
        "log_chunk_bytes": settings.LOG_CHUNK_BYTES,
        "log_limit_bytes": Setting.objects.lately("logging")["job_log_limit"],
        "result_limit_bytes": settings.RESULT_LIMIT_BYTES,
    }


def _notice(seen: tuple[int, int], ours: tuple[int, int] | None = None) -> None:
    """A robot that saw a later tick than ours has been told things that the database has forgotten."""
    if ours is not None and seen <= ours:
        return
    plane = Plane.objects.first()
    if plane is not None and seen > (plane.epoch, plane.tick):
        jobs.notice_tick(plane, actor=Actor.system("plane"), epoch=seen[0], tick=seen[1])


def _log_place(request: HttpRequest) -> tuple[int, int]:
    offset, crc32 = request.GET.get("offset", ""), request.headers.get("X-Chunk-CRC32", "")
    if not (offset.isascii() and offset.isdigit() and len(offset) < 19):
        raise Invalid.field("offset", "the byte offset of these bytes, as a whole number.")
    try:
        return int(offset), int(crc32, 16)
    except ValueError as error:
        raise Invalid.field("X-Chunk-CRC32", "eight hexadecimal digits.") from error


def _log_bytes(request: HttpRequest) -> bytes:
    """Return the plain bytes of a piece; a compressed one is inflated no further than a piece may be long."""
    limit = settings.LOG_CHUNK_BYTES
    if request.headers.get("Content-Encoding", "identity").lower() != "gzip":
        return read_body(request, kinds=LOG_KINDS, limit=limit)
    packed = request.read(limit + 1)
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        data = inflater.decompress(packed, limit + 1)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise Invalid("The body is not gzip.", code="bad_gzip") from error
    if len(data) > limit or len(packed) > limit:
        raise TooLarge(f"A piece has at most {limit} bytes.", limit=limit)
    return data
