"""The first page: how things stand, and what to do first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from apps.core import ids
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.panels import Table
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.jobs.admin import states
from apps.jobs.models import Job, JobStatus
from apps.packages.models import Package
from apps.processes.models import Process
from apps.queues.models import ItemStatus, QueueItem, ReviewStatus
from apps.robots.models import Machine, Robot

#: A figure on this page goes no further: it is asked for again and again, on tables of any size.
MOST_COUNTED = 10_000
#: How many jobs each table shows, and how much of why one failed.
JOBS_SHOWN, LONGEST_WHY = 10, 120


@dataclass(frozen=True, slots=True)
class Number:
    """A figure with where it leads."""

    title: str
    value: int
    address: str
    tone: str = "calm"

    @property
    def text(self) -> str:
        """The figure, or that there are more than were counted."""
        return f"{self.value:,}" if self.value <= MOST_COUNTED else f"{MOST_COUNTED:,}+"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do before the first job can run."""

    title: str
    text: str
    address: str
    is_done: bool


def contents(request: HttpRequest, site: OperatorSite) -> dict[str, Any]:
    """Return what the dashboard shows to this person."""
    actor = actor_of(request)
    steps = _steps(actor) if site.holds(request, "packages.upload_package") else []
    return {
        "numbers": _numbers(request, site, actor),
        "panels": _tables(actor) if site.holds(request, "jobs.view_job") else [],
        "steps": [] if all(step.is_done for step in steps) else steps,
        "live": reverse("admin:index"),
    }


def _tables(actor: Actor) -> list[Table]:
    jobs = Job.objects.visible_to(actor).select_related("process").order_by("-pk")
    running = jobs.filter(status__in=[JobStatus.RUNNING, JobStatus.CANCELLING])[:JOBS_SHOWN]
    failed = jobs.filter(status=JobStatus.FAILED, pk__gte=ids.first_id_at(timezone.now() - timedelta(days=1)))[
        :JOBS_SHOWN
    ]
    return [
        Table(
            "Running now",
            ["Process", "Status", "Since", "For"],
            [[_link(job), states.job_status(job), display.moment(job.started_at), states.took(job)] for job in running],
            "Nothing runs at the moment.",
            icon="play_circle",
        ),
        Table(
            "Failed in the last 24 hours",
            ["Process", "Why", "Ended"],
            [[_link(job), _why(job), display.moment(job.finished_at)] for job in failed],
            "Nothing has failed.",
            icon="error",
        ),
    ]


def _link(job: Job) -> Any:
    return display.link(job, f"{job.process.name} {display.short(job.pk)}")


def _why(job: Job) -> str:
    error = job.error if isinstance(job.error, dict) else {}
    return str(error.get("message") or job.reason.replace("_", " "))[:LONGEST_WHY]


def _numbers(request: HttpRequest, site: OperatorSite, actor: Actor) -> list[Number]:
    numbers = []
    if site.holds(request, "jobs.view_job"):
        numbers += _job_numbers(actor)
    if site.holds(request, "queues.view_queueitem"):
        numbers += _item_numbers(actor)
    if site.holds(request, "robots.view_robot"):
        numbers += _robot_numbers(actor)
    return numbers


def _job_numbers(actor: Actor) -> list[Number]:
    jobs = Job.objects.visible_to(actor).order_by()
    lately = jobs.filter(pk__gte=ids.first_id_at(timezone.now() - timedelta(days=1)))
    waiting, failed = _count(jobs, JobStatus.WAITING), _count(lately, JobStatus.FAILED)
    ending = _count(jobs, JobStatus.CANCELLING)

    def of(status: str, **query: str) -> str:
        return display.list_of(Job, status__exact=status, **query)

    return [
        Number("Jobs in line", _count(jobs, JobStatus.PENDING), of(JobStatus.PENDING, since="all")),
        Number("Running", _count(jobs, JobStatus.RUNNING), of(JobStatus.RUNNING, since="all"), "busy"),
        *([Number("Being cancelled", ending, of(JobStatus.CANCELLING, since="all"), "busy")] if ending else []),
        Number("Wait for a person", waiting, of(JobStatus.WAITING, since="all"), "care" if waiting else "calm"),
        Number("Completed, 24 h", _count(lately, JobStatus.COMPLETED), of(JobStatus.COMPLETED, since="24h"), "good"),
        Number("Failed, 24 h", failed, of(JobStatus.FAILED, since="24h"), "bad" if failed else "calm"),
    ]


def _count(jobs: QuerySet[Job], status: JobStatus) -> int:
    """Return how many there are, counting no further than is shown."""
    return jobs.filter(status=status)[: MOST_COUNTED + 1].count()


def _item_numbers(actor: Actor) -> list[Number]:
    items = QueueItem.objects.visible_to(actor).alive().order_by()
    waiting = items.waiting()[: MOST_COUNTED + 1].count()
    reviews = items.filter(review_status=ReviewStatus.OPEN)[: MOST_COUNTED + 1].count()
    to_review = display.list_of(QueueItem, review_status__exact=ReviewStatus.OPEN, since="all")
    return [
        Number("Items waiting", waiting, display.list_of(QueueItem, status__exact=ItemStatus.NEW, since="all")),
        Number("Items to review", reviews, to_review, "care" if reviews else "calm"),
    ]


def _robot_numbers(actor: Actor) -> list[Number]:
    robots = Robot.objects.visible_to(actor).alive()
    heard = Now() - timedelta(seconds=settings.OFFLINE_AFTER)
    online = robots.filter(sessions__ended_at=None, sessions__last_seen_at__gt=heard).count()
    wrong = robots.exclude(error="").count()
    return [
        Number("Robots online", online, display.list_of(Robot), "good" if online else "calm"),
        Number("Robots put aside", wrong, display.list_of(Robot, status="error"), "bad" if wrong else "calm"),
    ]


def _steps(actor: Actor) -> list[Step]:
    """Return the way to a first job, with what is done already."""
    packages = Package.objects.visible_to(actor).alive().exists()
    processes = Process.objects.visible_to(actor).alive().exists()
    machines = Machine.objects.visible_to(actor).alive().exists()
    robots = Robot.objects.visible_to(actor).alive().exists()
    return [
        Step("Upload a package", "A .bvpackage file, made by “bv-robot package build”.",
             reverse("admin:packages_package_add"), packages),
        Step("Make a process", "It says which entrypoint runs, with which defaults and limits.",
             reverse("admin:processes_process_add"), processes),
        Step("Add a machine", "You get a key, and the command to type on that machine.",
             reverse("admin:robots_machine_add"), machines),
        Step("See its robot come online", "A robot enrols by itself once the command runs there.",
             display.list_of(Robot), robots),
        Step("Run the process", "Open it and press “Run now”; then follow its log.",
             display.list_of(Process), Job.objects.visible_to(actor).exists()),
    ]  # fmt: skip
