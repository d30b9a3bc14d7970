"""The panels of a robot's page, and the columns that other pages show of robots too."""

from __future__ import annotations

from collections.abc import Callable
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
from apps.robots import rules
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
#: Seconds by which a robot's clock may differ from ours before the page says so.
CLOCK_MAY_DIFFER = 60


@display.column("Status")
def status(robot: Any) -> SafeString:
    """Show what a robot is, with the reason it has, if any."""
    shown = display.badge(RobotStatus(robot.status).label, TONES[RobotStatus(robot.status)])
    extra = " · draining" if robot.draining else ""
    reason = _brief(robot.status_reason)
    text = f"{reason}{extra}".removeprefix(" · ")
    return format_html('{} <span class="op-faint">{}</span>', shown, text) if text else shown


def _brief(reason: str) -> str:
    """Return a reason as people say it: what a robot reports is one word of ours, and its page tells the rest."""
    if reason.startswith(rules.REFUSED):
        return rules.REFUSED.removesuffix(": ")
    return reason.replace("_", " ") if reason in rules.PROBLEMS else reason


@display.column("Version")
def version(robot: Any) -> str:
    """Say which version its program has."""
    agent = (robot.session or {}).get("agent") or {}
    return str(agent.get("version") or display.NOTHING)


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
        *_pushed(robot),
        ("Added", display.moment(robot.created_at)),
        ("Id", robot.pk),
    ]
    if robot.maintenance:
        until = display.moment(robot.maintenance_until) if robot.maintenance_until else "somebody ends it"
        rows.insert(0, ("In maintenance until", until))
    return Facts("About it", rows, icon="smart_toy")


def _pushed(robot: Any) -> list[tuple[str, Any]]:
    """Return what it does otherwise than its installation says; nothing where it does as that says."""
    pushed = [
        f"{rules.PUSHED_SETTINGS[name].title.lower()} {_PUSHED[name](value)}"
        for name, value in robot.pushed_settings.items()
    ]
    return [("Settings pushed to it", ", ".join(pushed))] if pushed else []


def session_panel(robot: Any) -> Facts | Text:
    """Return which program speaks for it, and on what machine it says to run."""
    session = robot.session
    if session is None:
        empty = "It has no session: its process is not running, or cannot reach this server."
        return Text("Program and machine", "", empty=empty, icon="sensors")
    agent = dict(session.get("agent") or {})
    agent.pop("protocols", None)  # The one that is spoken is shown.
    known = [(title, _fact(name, agent.pop(name))) for name, title in _AGENT.items() if agent.get(name)]
    rows: list[tuple[str, Any]] = [
        ("Last contact", last_contact(robot)),
        ("Session since", display.moment(parse_datetime(session["opened_at"]))),
        ("Takes work", "yes" if session["accepting"] else "no"),
        ("Protocol", _protocol(session)),
        *known,
        *((_words(name), _fact(name, value)) for name, value in agent.items()),
    ]
    return Facts("Program and machine", rows, icon="sensors")


def measures_panel(robot: Any) -> Facts | None:
    """Return what it measured last; nothing where it tells nothing."""
    metrics = (robot.session or {}).get("metrics") or {}
    rows = [
        (title, _MEASURES[name](metrics[name])) for name, title in _METRICS.items() if _is_number(metrics.get(name))
    ]
    return Facts("Measured last", rows, icon="speed") if rows else None


def notices(robot: Any) -> list[Any]:
    """Say what is the matter with a robot and what to do about it, the worst first."""
    session = robot.session or {}
    metrics = session.get("metrics") or {}
    told = [robot.error, session.get("problem") if robot.is_online else ""]
    found = [_trouble(one) for one in told if one]
    if _is_number(metrics.get("clock_skew")) and abs(metrics["clock_skew"]) > CLOCK_MAY_DIFFER:
        found.append(
            f"Its clock is {_skew(metrics['clock_skew'])} this server's. Times in its logs cannot be compared with "
            "others; leases and time-outs are not concerned. Let its machine, or this server, set its clock by NTP."
        )
    if _is_number(metrics.get("spool_depth")) and metrics["spool_depth"] > 0:
        found.append(
            f"Results that wait on its machine: {metrics['spool_depth']}. It delivers them by itself; while they "
            "stay, do not set its machine up anew. See what keeps them on its machine: bv-robot status"
        )
    return found


def _trouble(problem: str) -> str:
    trouble = rules.trouble_of(problem)
    return f"{trouble.says} {trouble.fix}"


def _protocol(session: dict[str, Any]) -> str:
    if session.get("is_classic"):
        return "calls of older runners"
    return f"sessions and leases, version {(session.get('capabilities') or {}).get('protocol', 1)}"


def _words(name: str) -> str:
    return str(name).replace("_", " ").capitalize()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fact(name: str, value: Any) -> Any:
    if name == "memory" and isinstance(value, int):
        return display.bytes_as_text(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _skew(seconds: float) -> str:
    return f"{display.length(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _clock(seconds: float) -> Any:
    if abs(seconds) < 1:
        return "as this server's"
    text = f"{_skew(seconds)} this server's"
    return display.badge(text, "care") if abs(seconds) > CLOCK_MAY_DIFFER else text


def _waiting(count: float) -> Any:
    return display.badge(f"{count:.0f} waiting", "care") if count else "none"


#: Facts that a robot tells of its program and machine, in the order in which they are shown.
_AGENT = {
    "version": "Version",
    "hostname": "Host name",
    "os": "System",
    "python": "Python",
    "uv": "uv",
    "processors": "Processors",
    "memory": "Memory",
    "protocols": "Protocols it speaks",
}
_METRICS = {
    "cpu": "Processors",
    "memory": "Memory",
    "disk": "Disk",
    "disk_free": "Free on the disk",
    "load": "Load per processor",
    "spool_depth": "Results to deliver",
    "environments": "Environments kept",
    "clock_skew": "Clock",
}
_MEASURES: dict[str, Callable[[Any], Any]] = {
    "cpu": "{:.0%} in use".format,
    "memory": "{:.0%} in use".format,
    "disk": "{:.0%} in use".format,
    "disk_free": lambda count: display.bytes_as_text(int(count)),
    "load": "{:.2f}".format,
    "spool_depth": _waiting,
    "environments": str,
    "clock_skew": _clock,
}


#: How the settings that can be pushed are shown, each in its unit.
_PUSHED: dict[str, Callable[[Any], str]] = {
    "sync_min": display.length,
    "sync_max": display.length,
    "log_every": display.length,
    "log_limit_bytes": display.bytes_as_text,
    "memory_limit": lambda mebibytes: display.bytes_as_text(mebibytes * 1024**2),
    "cpu_limit": "{:g}".format,
    "disk_reserve_bytes": display.bytes_as_text,
}


def tokens_panel(robot: Robot) -> Table:
    """Return its credentials, without their secrets."""
    live = RobotToken.objects.filter(RobotToken.live(), robot=robot).order_by("-pk")
    rows = [
        [
            display.mono(one.shown_as),
            "made from a key, by enrolling" if one.is_derived else "its own",
            display.moment(one.expires_at),
            display.ago(one.last_used_at),
        ]
        for one in live
    ]
    return Table("Tokens", ["Token", "Kind", "Until", "Last used"], rows, "None works: rotate to make one.", icon="key")


def _listed(parts: list[SafeString | str]) -> SafeString | str:
    return format_html_join(", ", "{}", ((part,) for part in parts)) or display.NOTHING
