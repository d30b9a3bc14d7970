"""Noting what the console needs to know about the system itself, and how often its background work is done."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models.functions import Now
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.audit import services as audit
from apps.console.models import MOST_SECONDS, RoleHeartbeat, Tick
from apps.console.rules import FORGOTTEN_AFTER
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.rbac import services as rbac


@transaction.atomic
def note_role_seen(role: str, *, instance: str, actor: Actor) -> None:
    """Note that a process of a role is alive now, and forget those that have been silent for a day."""
    rbac.require(actor, "console.add_roleheartbeat", rbac.EVERYWHERE)
    RoleHeartbeat.objects.bulk_create(
        [RoleHeartbeat(role=role, instance=instance, at=Now())],
        update_conflicts=True,
        unique_fields=["role", "instance"],
        update_fields=["at"],
    )
    RoleHeartbeat.objects.filter(role=role, at__lt=Now() - FORGOTTEN_AFTER).delete()


class BadInterval(DomainError):
    """So often, or so seldom, nothing can be done."""

    code = "bad_interval"


@transaction.atomic
def install_ticks(usual: Mapping[str, int], *, actor: Actor) -> dict[str, Tick]:
    """Have a tick for each name, with its usual seconds, and forget those there are no more.

    What somebody has changed about a tick stays as it is.
    """
    rbac.require(actor, "console.add_tick", rbac.EVERYWHERE)
    PeriodicTask.objects.exclude(name__in=usual).delete()
    Tick.objects.exclude(name__in=usual).delete()
    Tick.objects.bulk_create(
        [Tick(name=name, usual_seconds=seconds) for name, seconds in usual.items()],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["usual_seconds"],
    )
    return {tick.name: tick for tick in Tick.objects.all()}


@transaction.atomic
def change_tick(tick: Tick, *, actor: Actor, seconds: int | None, enabled: bool) -> Tick:
    """Have a task woken every so many seconds (none: as usual), or not at all; beat follows within seconds.

    Raises ``BadInterval``.
    """
    rbac.require(actor, "console.change_tick", rbac.EVERYWHERE)
    if seconds is not None and not 1 <= seconds <= MOST_SECONDS:
        raise BadInterval(f"Every {seconds} s cannot be: choose from 1 to {MOST_SECONDS} seconds, or leave it empty.")
    tick = Tick.objects.select_for_update().get(pk=tick.pk)
    before = {"every": tick.every, "enabled": tick.enabled}
    tick.seconds, tick.enabled = seconds, enabled
    tick.save(update_fields=["seconds", "enabled"])
    _tell_beat(tick)
    audit.record(actor, "tick.changed", tick, before=before, after={"every": tick.every, "enabled": tick.enabled})
    return tick


def _tell_beat(tick: Tick) -> None:
    every = {"every": tick.every, "period": IntervalSchedule.SECONDS}
    interval = IntervalSchedule.objects.filter(**every).first() or IntervalSchedule.objects.create(**every)
    for task in PeriodicTask.objects.filter(name=tick.name):
        task.interval, task.enabled, task.expire_seconds = interval, tick.enabled, tick.expires_after
        task.save()  # Saving it is what beat is told by.
