"""The panels of a robot's page, and the columns that other pages show of robots too."""

from __future__ import annotations

from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.access import Links
from apps.core.admin.panels import Facts, Panel, Table, Text
from apps.jobs.admin import job_pages, states
from apps.jobs.models import Execution, Job
from apps.jobs.models.robots import RobotStatus
from apps.jobs.models.why import why_robot
from apps.robots.models import Robot, RobotToken

TONES = {
    RobotStatus.OFFLINE: "calm",
    RobotStatus.AVAILABLE: "good",
    RobotStatus.BUSY: "busy",
    RobotStatus.MAINTENANCE: "care",
    RobotStatus.ERROR: "bad",
    RobotStatus.DISABLED: "calm",
}
EXECUTIONS_SHOWN = 10


@display.column("Status")
def status(robot: Any) -> SafeString:
    """Show what a robot is, with the reason it has, if any."""
    shown = display.badge(RobotStatus(robot.status).label, TONES[RobotStatus(robot.status)])
    extra = " · draining" if robot.draining else ""
    text = f"{robot.status_reason}{extra}".removeprefix(" · ")
    return format_html('{} <span class="op-faint">{}</span>', shown, text) if text else shown


@display.column("Slots")
def slots(robot: Any) -> SafeString:
    """Show how many of its slots are in use."""
    return display.nowrap(f"{robot.slots_used} of {robot.slots}")


@display.column("Last contact")
def last_contact(robot: Any) -> SafeString | str:
    """Say when it was last heard."""
    return display.ago(robot.last_seen_at)


@display.column("Runs")
def current_jobs(robot: Any) -> SafeString | str:
    """Name what it runs now, as far as the reader may see it."""
    names = [execution.job.process.name for execution in getattr(robot, "open_executions", ())]
    return ", ".join(names) or display.NOTHING


def why_panel(robot: Robot, actor: Actor) -> Panel:
    """Return why a robot is idle: what is the matter with itself, and with the jobs first in line that one may see."""
    why = why_robot(robot, among=Job.objects.visible_to(actor))
    jobs = [
        (
            display.link(Job(pk=view.id), f"{view.process_name} {display.short(view.id)}"),
            job_pages.obstacles_of(view.obstacles),
        )
        for view in why.jobs
    ]
    return Panel("Why is it idle?", "runner/why.html", {"why": why, "jobs": jobs}, icon="help")


def running_panel(robot: Any, link: Links) -> Table:
    """Return what it runs now."""
    rows = [
        [
            link(one.job, f"{one.job.process.name} {display.short(one.job_id)}"),
            states.execution_badge(one),
            display.moment(one.granted_at),
            job_pages.progress_of(one) or display.NOTHING,
        ]
        for one in robot.open_executions
    ]
    return Table("Runs now", ["Job", "Status", "Since", "Progress"], rows, "Nothing.", icon="play_circle")


def history_panel(robot: Robot, actor: Actor) -> Table:
    """Return what it ran last."""
    last = Execution.objects.visible_to(actor).filter(robot=robot).exclude(status="running").select_related("process")
    rows = [
        [
            display.link(one, one.process.name),
            states.execution_status(one),
            display.moment(one.finished_at),
            states.took(one),
        ]
        for one in last.order_by("-pk")[:EXECUTIONS_SHOWN]
    ]
    more = (display.list_of(Execution, robot__id__exact=robot.pk, since="all"), "Everything it ran")
    headings = ["Process", "Status", "Ended", "Took"]
    return Table("Ran last", headings, rows, "It has not run anything yet.", more if rows else None, "history")


def facts_panel(robot: Any, link: Links) -> Facts:
    """Return what an operator has set."""
    folders = [link(folder) for folder in robot.folders.order_by("name")]
    rows: list[tuple[str, Any]] = [
        ("Machine", link(robot.machine)),
        ("Tenant", link(robot.tenant)),
        ("Folders", _listed(folders)),
        ("Slots", slots(robot)),
        ("Labels", display.badges(robot.labels)),
        ("Labels of the machine", display.badges(robot.machine.labels)),
        ("Added", display.moment(robot.created_at)),
        ("Id", robot.pk),
    ]
    if robot.maintenance:
        until = display.moment(robot.maintenance_until) if robot.maintenance_until else "somebody ends it"
        rows.insert(0, ("In maintenance until", until))
    return Facts("About it", rows, icon="smart_toy")


def session_panel(robot: Any) -> Facts | Text:
    """Return what its process says of itself."""
    session = robot.session
    if session is None:
        empty = "It has no session: its process is not running, or cannot reach this server."
        return Text("Session", "", empty=empty, icon="sensors")
    agent, metrics = session.get("agent") or {}, session.get("metrics") or {}
    rows: list[tuple[str, Any]] = [
        ("Opened", display.moment(parse_datetime(session["opened_at"]))),
        ("Last contact", last_contact(robot)),
        ("Takes work", "yes" if session["accepting"] else "no"),
        *((_words(name), value) for name, value in agent.items()),
        *((_words(name), _figure(name, value)) for name, value in metrics.items()),
    ]
    return Facts("Session", rows, icon="sensors")


def _words(name: str) -> str:
    return str(name).replace("_", " ").capitalize()


def _figure(name: str, value: Any) -> Any:
    """Return a figure of the wire in its unit: processor and memory are shares, room on the disk is bytes."""
    if not isinstance(value, int | float):
        return value
    return f"{value:.0%}" if name in ("cpu", "memory") else display.bytes_as_text(int(value))


def tokens_panel(robot: Robot) -> Table:
    """Return its credentials, without their secrets."""
    live = RobotToken.objects.filter(RobotToken.live(), robot=robot).order_by("-pk")
    rows = [
        [
            display.mono(one.shown_as),
            "from the machine's key" if one.is_derived else "its own",
            display.moment(one.expires_at),
            display.ago(one.last_used_at),
        ]
        for one in live
    ]
    return Table("Tokens", ["Token", "Kind", "Until", "Last used"], rows, "None works: rotate to make one.", icon="key")


def _listed(parts: list[SafeString | str]) -> SafeString | str:
    return format_html_join(", ", "{}", ((part,) for part in parts)) or display.NOTHING
