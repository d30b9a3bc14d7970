"""Items whose holders vanished come back within seconds, by the tick and by hand."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.jobs import tasks
from apps.jobs.models import Plane
from apps.queues import services
from apps.queues.models import ItemLease, ItemStatus, QueueItem
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def steady_plane():
    """The plane has ticked all along."""
    Plane.objects.update(ticked_at=Now(), gap_ended_at=None, frozen_until=None)


def run_out(*leases):
    ItemLease.objects.filter(pk__in=[lease.pk for lease in leases]).update(expires_at=Now() - timedelta(seconds=1))


def test_the_tick_takes_back_what_ran_out_and_nothing_else():
    queue = make.queue()
    make.items(queue, 1, 2, 3)
    vanished, working, other = (make.taken(queue) for _ in range(3))
    run_out(vanished, other)

    assert (tasks.sweep_item_leases(), tasks.sweep_item_leases()) == (2, 0)

    waiting = set(QueueItem.objects.filter(status=ItemStatus.NEW).values_list("pk", flat=True))
    assert waiting == {vanished.item_id, other.item_id}
    assert ItemLease.objects.get(closed_at=None) == working


def test_within_a_job_the_leases_of_items_are_left_to_the_execution():
    queue = make.item().queue
    make.taken(queue, holder=make.holder(kind="execution", execution_id=uuid.uuid4()))

    assert tasks.sweep_item_leases() == 0


@pytest.mark.parametrize(
    "facts",
    [
        {"ticked_at": Now() - timedelta(seconds=16)},
        {"gap_ended_at": Now() - timedelta(seconds=89)},
        {"frozen_until": Now() + timedelta(seconds=1)},
    ],
)
def test_an_outage_of_ours_is_not_blamed_on_holders(facts):
    run_out(make.taken())
    Plane.objects.update(**facts)

    assert tasks.sweep_item_leases() == 0


def test_it_is_swept_by_hand_as_well():
    run_out(make.taken())
    out = io.StringIO()

    call_command("sweep_item_leases", stdout=out)

    assert out.getvalue() == "Items taken back: 1\n"


def test_two_sweeps_that_saw_the_same_lease_close_it_once():
    lease = make.taken()
    run_out(lease)
    [one], [other] = ItemLease.objects.overdue(), ItemLease.objects.overdue()

    assert services.sweep_lease(one, actor=make.SYSTEM)
    assert not services.sweep_lease(other, actor=make.SYSTEM)


def test_who_may_only_look_may_not_sweep():
    lease = make.taken()
    viewer = Actor.person(make.user("queues.view_queueitem", inside=lease.tenant))

    with pytest.raises(NotAllowed):
        services.sweep_lease(lease, actor=viewer)
