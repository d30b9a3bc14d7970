"""The control plane's own heartbeat: so that an outage of ours is never blamed on robots."""

from __future__ import annotations

from django.conf import settings
from django.db import connection, transaction

from apps.audit import services as audit
from apps.configuration.models import Setting
from apps.core.actors import Actor
from apps.jobs.models import Plane
from apps.rbac import services as rbac

#: A clock that jumps further than this is not believed (seconds).
CLOCK_JUMP = 60

#: Nobody can have seen more epochs, or ticks within one, than this beyond ours: a robot that says so is not believed.
MOST_EPOCHS_AHEAD, MOST_TICKS_AHEAD = 100, 100_000_000

#: One conditional UPDATE: at most one process advances the tick in each period, and a gap is noted by whoever ends it.
_ADVANCE = """
    UPDATE jobs_plane SET
        tick = tick + 1,
        gap_ended_at = CASE WHEN clock_timestamp() - ticked_at > make_interval(secs => %(outage)s)
                            THEN clock_timestamp() ELSE gap_ended_at END,
        frozen_until = CASE WHEN clock_timestamp() < ticked_at - make_interval(secs => 1)
                                 OR clock_timestamp() - ticked_at > make_interval(secs => %(jump)s)
                            THEN clock_timestamp() + make_interval(secs => %(ttl)s) ELSE frozen_until END,
        frozen_reason = CASE WHEN clock_timestamp() < ticked_at - make_interval(secs => 1)
                             THEN 'the database clock went backwards'
                             WHEN clock_timestamp() - ticked_at > make_interval(secs => %(jump)s)
                             THEN 'the control plane was away, or the database clock jumped'
                             ELSE frozen_reason END,
        ticked_at = clock_timestamp()
    WHERE clock_timestamp() - ticked_at >= make_interval(secs => %(every)s * 0.9) OR clock_timestamp() < ticked_at
    RETURNING tick, epoch
"""


def advance_tick() -> tuple[int, int] | None:
    """Advance the plane's tick if it is time; returns (tick, epoch), or ``None`` where another process was first."""
    facts = {
        "outage": settings.OUTAGE_AFTER,
        "ttl": Setting.objects.lately("jobs")["lease_seconds"],
        "every": settings.TICK_EVERY,
        "jump": CLOCK_JUMP,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, facts)
        row = cursor.fetchone()
    return (int(row[0]), int(row[1])) if row else None


@transaction.atomic
def ensure_plane(*, actor: Actor) -> Plane:
    """Make the plane's one row if it is not there; safe to repeat. Run after each migrate."""
    rbac.require(actor, "jobs.change_plane", rbac.EVERYWHERE)
    plane, _ = Plane.objects.get_or_create(singleton=True)
    return plane


@transaction.atomic
def notice_tick(plane: Plane, *, actor: Actor, epoch: int, tick: int) -> Plane:
    """Take note of the highest (epoch, tick) somebody saw: one higher than ours means that commits were lost.

    The epoch rises, sweeps wait one lease, robots offer their recent results again. What nobody can have seen changes
    nothing.
    """
    rbac.require(actor, "jobs.change_plane", rbac.EVERYWHERE)
    plane = Plane.objects.select_for_update().get(pk=plane.pk)
    beyond_belief = epoch > plane.epoch + MOST_EPOCHS_AHEAD or tick > plane.tick + MOST_TICKS_AHEAD
    if beyond_belief or (epoch, tick) <= (plane.epoch, plane.tick):
        return plane
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_plane SET epoch = greatest(epoch, %(epoch)s) + 1, tick = greatest(tick, %(tick)s) + 1,
               epoch_raised_at = clock_timestamp(), frozen_reason = 'the database fell back to an earlier state',
               frozen_until = clock_timestamp() + make_interval(secs => %(ttl)s) WHERE id = %(id)s""",
            {"epoch": epoch, "tick": tick, "ttl": Setting.objects.lately("jobs")["lease_seconds"], "id": plane.pk},
        )
    plane.refresh_from_db()
    audit.record(actor, "plane.epoch_raised", plane, after={"epoch": plane.epoch, "seen": [epoch, tick]})
    return plane
