"""Ticks: each finds its work in the rows, so a lost or doubled message changes nothing but delay."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task
from django.utils import timezone

from apps.core import bulk
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.jobs import services
from apps.jobs.models import BulkChange, Execution, Job, Plane
from apps.queues import services as queues
from apps.queues.models import ItemLease
from apps.robots import services as robots
from apps.robots.models import Robot

log = structlog.get_logger(__name__)

#: How many rows one tick handles at most; the next goes on.
BATCH = 500
#: A file younger than this may belong to an upload that is under way.
YOUNGEST_ORPHAN = timedelta(hours=1)


@shared_task(name="jobs.sweep_leases", expires=30)
def sweep_leases() -> int:
    """Close executions whose lease ran out. Waits while the plane itself has just come back."""
    if Plane.is_frozen():
        return 0
    actor = Actor.system("sweep")
    overdue = Execution.objects.overdue().order_by("expires_at")[:BATCH]
    closed = sum(services.sweep_execution(execution, actor=actor) for execution in overdue)
    for plane in Plane.objects.all():
        services.note_sweep(plane, actor=actor)
    return closed


@shared_task(name="queues.sweep_leases", expires=30)
def sweep_item_leases() -> int:
    """Take items back whose lease ran out. It is here because queues know no plane that may be frozen."""
    if Plane.is_frozen():
        return 0
    overdue = ItemLease.objects.overdue().select_related("queue").order_by("expires_at")[:BATCH]
    return sum(queues.sweep_lease(lease, actor=Actor.system("sweep")) for lease in overdue)


@shared_task(name="jobs.sweep_start_deadlines", expires=30)
def sweep_start_deadlines() -> int:
    """Fail pending jobs that nobody started in time."""
    actor = Actor.system("sweep")
    late = Job.objects.past_start_deadline().order_by("start_deadline")[:BATCH]
    return sum(services.expire_job(job, actor=actor) for job in late)


@shared_task(name="jobs.sweep_artefacts")
def sweep_artefacts() -> int:
    """Remove files of jobs that no row names."""
    return services.sweep_artefacts(timezone.now() - YOUNGEST_ORPHAN, actor=Actor.system("sweep"))


@shared_task(name="jobs.sweep_ephemeral_robots")
def sweep_ephemeral_robots() -> int:
    """Let robots go that came for one job and died. Waits while the plane itself has just come back."""
    if Plane.is_frozen():
        return 0
    return sum(_swept(robot) for robot in Robot.objects.gone().order_by("pk")[:BATCH])


@shared_task(name="jobs.work_off_bulk_changes")
def work_off_bulk_changes() -> int:
    """Work off what was asked for many jobs at once, a batch after the other."""
    actor = Actor.system("bulk")
    return bulk.work_off(BulkChange.objects.open(), lambda change: services.advance_bulk_change(change, actor=actor))


@shared_task(name="jobs.forget_ended_tokens")
def forget_ended_tokens() -> int:
    """Delete the credentials of executions that have ended."""
    deleted, actor = 0, Actor.system("retention")
    while count := services.forget_ended_tokens(actor=actor):
        deleted += count
    return deleted


def _swept(robot: Robot) -> bool:
    try:
        return robots.sweep_ephemeral_robot(robot, actor=Actor.system("sweep"))
    except DomainError as refusal:
        log.info("ephemeral_robot_stays", robot=str(robot.pk), refusal=str(refusal))
        return False
