"""The panels of a job's page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.access import Links
from apps.core.admin.panels import AnyPanel, Facts, Panel, Table, Text
from apps.jobs.admin import artefacts, item_pages, states
from apps.jobs.models import Artefact, Execution, ExecutionStatus, Job, JobStatus
from apps.jobs.models.why import Obstacle, why_job
from apps.queues.models import QueueItem
from apps.robots.models import Robot

#: How many robots the *Why?* panel lists, those nearest to taking the job first.
ROBOTS_SHOWN = 10
#: How many of the jobs that it has started the page of a job lists.
CHILDREN_SHOWN = 100
#: How many of its items it lists, and what it tells of each.
ITEMS_SHOWN = 20
_OF_ITEMS = (
    "reference", "queue__name", "tenant_id", "status", "error_type", "error_code", "reserved_for", "available_at",
    "taken_at", "finished_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution as the timeline shows it."""

    execution: Execution
    link: SafeString | str
    robot: SafeString | str
    badge: SafeString
    tone: str
    reason: str
    begun: SafeString | str
    ended: SafeString | str
    took: str
    progress: str
    usage: str


def main_panels(job: Job, executions: Sequence[Execution], actor: Actor, link: Links) -> list[AnyPanel]:
    """Return what is wanted of a job first: why it waits or failed, what came out, and its tries."""
    panels: list[AnyPanel] = []
    if job.status == JobStatus.PENDING:
        panels.append(why_panel(job, actor))
    if job.error:
        panels.append(error_panel(job.error))
    if job.status == JobStatus.COMPLETED:
        panels.append(Text.of_json("Result", job.result, empty="It returned nothing.", icon="output"))
    panels.append(attempts_panel(executions, link))
    panels += [*items_panels(job, actor), *children_panels(job, actor)]
    if executions:
        panels += artefacts.panels(Artefact.objects.filter(job=job), with_tries=len(executions) > 1)
    panels.append(Text.of_json("Parameters", job.parameters, empty="It was given none.", icon="input"))
    return panels


def side_panels(job: Job, link: Links) -> list[AnyPanel]:
    """Return what a job is, what it was made for, and when what happened."""
    return [_request(job, link), _snapshot(job, link), _times(job)]


def error_panel(error: Any) -> Panel:
    """Return what went wrong, with its traceback where there is one."""
    facts = error if isinstance(error, dict) else {"message": str(error)}
    return Panel("Error", "jobs/error.html", {"error": facts}, icon="error")


def why_panel(job: Job, actor: Actor) -> Panel:
    """Return why a job waits: in one sentence, then by robot, of the robots that the reader may see."""
    why = why_job(job, among=Robot.objects.visible_to(actor))
    robots = [
        (display.link(Robot(pk=view.id, name=view.name)), obstacles_of(view.obstacles))
        for view in why.robots[:ROBOTS_SHOWN]
    ]
    summary = display.in_local_time(why.summary)
    context = {"why": why, "summary": summary, "robots": robots, "more": why.robot_count - len(robots)}
    return Panel("Why is it waiting?", "jobs/why.html", context, icon="help")


def obstacles_of(obstacles: Iterable[Obstacle]) -> list[tuple[str, str]]:
    """Return what is the case and what to do about it, for each condition that does not hold."""
    return [(display.in_local_time(one.says), one.fix) for one in obstacles]


def attempts_panel(executions: Sequence[Execution], link: Links) -> Panel:
    """Return the tries, newest first."""
    return Panel(
        "Tries", "jobs/attempts.html", {"attempts": [_attempt(one, link) for one in executions]}, icon="timeline"
    )


def children_panels(job: Job, actor: Actor) -> list[AnyPanel]:
    """Return the jobs that it has started, oldest first, as far as the reader may see them; nothing where none are."""
    children = Job.objects.visible_to(actor).filter(parent=job).select_related("process").order_by("pk")
    rows = [
        [
            display.link(child, f"{child.process.name} {display.short(child.pk)}"),
            states.with_reason(states.job_badge(child), child.reason),
            display.moment(child.created_at),
            states.took(child),
        ]
        for child in children[: CHILDREN_SHOWN + 1]
    ]
    title = "Jobs it has started" if len(rows) <= CHILDREN_SHOWN else f"The first {CHILDREN_SHOWN} jobs it has started"
    headings = ["Job", "Status", "Made", "Took"]
    return [Table(title, headings, rows[:CHILDREN_SHOWN], icon="account_tree")] if rows else []


def items_panels(job: Job, actor: Actor) -> list[AnyPanel]:
    """Return the items that it owns or has worked on, as far as the reader may see them; nothing where none are."""
    its = Q(reserved_for=job.pk) | Q(job_id=job.pk)
    items = QueueItem.objects.visible_to(actor).alive().filter(its).select_related("queue").order_by("pk")
    rows = [
        [
            display.link(item, item.reference or display.short(item.pk)),
            item.queue.name,
            item_pages.status(item),
            "owns it" if item.reserved_for == job.pk else "took it",
            item_pages.took(item),
        ]
        for item in items.only(*_OF_ITEMS)[: ITEMS_SHOWN + 1]
    ]
    title = "Items" if len(rows) <= ITEMS_SHOWN else f"The first {ITEMS_SHOWN} of its items"
    more = (display.list_of(QueueItem, job=job.pk), "In the list of items")
    headings = ["Item", "Queue", "Status", "The job", "Took"]
    return [Table(title, headings, rows[:ITEMS_SHOWN], more=more, icon="list_alt")] if rows else []


def progress_of(work: Execution | QueueItem) -> str:
    """Return how far an execution, or the work on an item, is said to be."""
    progress = work.progress
    if not isinstance(progress, dict):
        return "" if progress is None else str(progress)
    percent = progress.get("percent")
    told = [f"{percent:.0f}%" if isinstance(percent, int | float) else ""]
    told += [str(progress.get(name) or "") for name in ("step", "message")]
    return " · ".join(part for part in told if part) or display.as_json(progress)


def usage_of(execution: Execution) -> str:
    """Return what an execution used of its machine."""
    usage = execution.usage if isinstance(execution.usage, dict) else {}
    return ", ".join(_amount(name, value) for name, value in usage.items())


def _amount(name: str, value: Any) -> str:
    """Return a figure of the wire with its unit; one that we do not know as it was told."""
    say = _AMOUNTS.get(name)
    return say(value) if say and isinstance(value, int | float) else f"{name.replace('_', ' ')} {value}"


#: What robots tell that a job uses (``cpu`` in processor cores) and, in the end, has used.
_AMOUNTS: dict[str, Callable[[float], str]] = {
    "cpu": lambda cores: f"{cores:.0%} of a processor",
    "memory": lambda count: f"{display.bytes_as_text(int(count))} of memory",
    "cpu_seconds": lambda seconds: f"{display.length(seconds)} of processor time",
    "max_memory": lambda count: f"at most {display.bytes_as_text(int(count))} of memory",
}


def _attempt(execution: Execution, link: Links) -> Attempt:
    end = execution.finished_at or timezone.now()
    return Attempt(
        execution=execution,
        link=display.link(execution, f"Try {execution.number}"),
        robot=link(execution.robot),
        badge=states.execution_badge(execution),
        tone=states.EXECUTIONS[ExecutionStatus(execution.status)],
        reason=execution.reason.replace("_", " "),
        begun=display.moment(execution.granted_at),
        ended=display.moment(execution.finished_at) if execution.finished_at else "",
        took=display.length(end - (execution.started_at or execution.granted_at)),
        progress=progress_of(execution),
        usage=usage_of(execution),
    )


def _request(job: Job, link: Links) -> Facts:
    rows: list[tuple[str, Any]] = [
        ("Process", link(job.process)),
        ("Priority", job.priority),
        ("Tries used", f"{job.attempts_used} of {job.max_attempts}"),
        ("Only robot", link(job.target_robot) if job.target_robot else "any"),
        ("Only machine", link(job.target_machine) if job.target_machine else "any"),
        ("Folder", link(job.folder)),
        ("Tenant", link(job.tenant)),
        ("Source", job.source),
        ("Asked for by", job.created_by),
        ("Id", job.pk),
    ]
    if job.parent is not None:
        rows.insert(1, ("Started by", link(job.parent)))
    if job.retry_of is not None:
        rows.insert(1, ("Again after", link(job.retry_of)))
    if job.dedupe_key:
        rows.append(("Dedupe key", job.dedupe_key))
    return Facts("What was asked", rows, icon="assignment")


def _snapshot(job: Job, link: Links) -> Facts:
    if job.script_path:
        return Facts(
            "What it runs", [("Script", job.script_path), ("Kind", job.get_kind_display())], icon="description"
        )
    version = job.package_version
    number = link(version, job.package_version_number) if version is not None else job.package_version_number
    rows = [
        ("Package", job.package_name),
        ("Version", number),
        ("Entrypoint", job.entrypoint_name),
        ("Command", job.command),
        ("SHA-256", display.mono(job.package_sha256)),
        ("Kind", job.get_kind_display()),
    ]
    return Facts("What it runs", rows, icon="deployed_code")


def _times(job: Job) -> Facts:
    rows: list[tuple[str, Any]] = [("Made", display.moment(job.created_at))]
    if job.status == JobStatus.PENDING:
        rows.append(("Not before", display.moment(job.available_at)))
    if job.start_deadline is not None:
        rows.append(("Must start by", display.moment(job.start_deadline)))
    rows += [
        ("Started", display.moment(job.started_at)),
        ("Ended", display.moment(job.finished_at)),
        ("Took", states.took(job)),
    ]
    if job.timeout:
        rows.append(("A try may take", display.length(job.timeout)))
    if job.stop_requested_at is not None:
        rows.append(("Asked to stop", display.moment(job.stop_requested_at)))
    if job.cancel_requested_at is not None:
        rows.append(("Cancel asked", display.moment(job.cancel_requested_at)))
    return Facts("When", rows, icon="schedule")
