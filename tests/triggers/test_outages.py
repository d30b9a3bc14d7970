"""What an outage leaves behind: every rule of overlap with every rule about missed times."""

from __future__ import annotations

import pytest

from apps.jobs.models import Job
from apps.triggers.models import Firing, Trigger
from tests.triggers.firing import firings, hour, jobs_of, look, trigger_due

pytestmark = pytest.mark.django_db

FIRED, QUEUED = ("fired", ""), ("fired", "queued")
OVERLAP, MISSED = ("skipped", "overlap"), ("skipped", "misfire")


@pytest.mark.parametrize(
    ("misfire", "overlap", "came"),
    [
        ("fire_once", "allow", [MISSED, MISSED, MISSED, FIRED]),
        ("fire_once", "skip", [MISSED, MISSED, MISSED, FIRED]),
        ("fire_once", "queue_one", [MISSED, MISSED, MISSED, FIRED]),
        ("fire_once", "cancel_previous", [MISSED, MISSED, MISSED, FIRED]),
        ("fire_all", "allow", [MISSED, FIRED, FIRED, FIRED]),
        ("fire_all", "skip", [MISSED, FIRED, OVERLAP, OVERLAP]),
        ("fire_all", "queue_one", [MISSED, FIRED, QUEUED, OVERLAP]),
        ("fire_all", "cancel_previous", [MISSED, OVERLAP, OVERLAP, FIRED]),
        ("skip", "allow", [MISSED, MISSED, MISSED, MISSED]),
        ("skip", "skip", [MISSED, MISSED, MISSED, MISSED]),
        ("skip", "queue_one", [MISSED, MISSED, MISSED, MISSED]),
        ("skip", "cancel_previous", [MISSED, MISSED, MISSED, MISSED]),
    ],
)
def test_after_an_outage_with_nothing_going_on(misfire, overlap, came):
    trigger = trigger_due(hour(0), misfire=misfire, overlap=overlap, misfire_limit=3)

    look(hour(3.5))
    look(hour(3.5))

    assert [(status, code) for _, status, code in firings(trigger)] == came
    assert len(jobs_of(trigger)) == came.count(FIRED)
    trigger.refresh_from_db()
    assert trigger.next_fire_at == hour(4)


@pytest.mark.parametrize(
    ("misfire", "overlap", "came", "statuses"),
    [
        ("fire_once", "allow", [MISSED, FIRED], ["pending", "pending"]),
        ("fire_once", "skip", [MISSED, OVERLAP], ["pending"]),
        ("fire_once", "queue_one", [MISSED, QUEUED], ["pending"]),
        ("fire_once", "cancel_previous", [MISSED, FIRED], ["cancelled", "pending"]),
        ("fire_all", "allow", [FIRED, FIRED], ["pending", "pending", "pending"]),
        ("fire_all", "skip", [OVERLAP, OVERLAP], ["pending"]),
        ("fire_all", "queue_one", [QUEUED, OVERLAP], ["pending"]),
        ("fire_all", "cancel_previous", [OVERLAP, FIRED], ["cancelled", "pending"]),
        ("skip", "allow", [MISSED, MISSED], ["pending"]),
        ("skip", "skip", [MISSED, MISSED], ["pending"]),
        ("skip", "queue_one", [MISSED, MISSED], ["pending"]),
        ("skip", "cancel_previous", [MISSED, MISSED], ["pending"]),
    ],
)
def test_after_an_outage_while_an_earlier_job_goes_on(misfire, overlap, came, statuses):
    trigger = trigger_due(hour(0), misfire=misfire, overlap=overlap, misfire_limit=3)
    look(hour(0))

    look(hour(2.5))

    assert [(status, code) for _, status, code in firings(trigger)] == [FIRED, *came]
    assert [job.status for job in jobs_of(trigger)] == statuses


@pytest.mark.parametrize("overlap", ["allow", "skip", "queue_one", "cancel_previous"])
@pytest.mark.parametrize("misfire", ["fire_once", "fire_all", "skip"])
def test_a_clock_that_steps_back_over_what_was_settled_changes_none_of_it(misfire, overlap):
    trigger = trigger_due(hour(0), misfire=misfire, overlap=overlap, misfire_limit=3)
    look(hour(3.5))
    settled, jobs = firings(trigger), [job.pk for job in jobs_of(trigger)]

    Trigger.objects.filter(pk=trigger.pk).update(next_fire_at=hour(0))  # as where its times are reckoned anew
    look(hour(1))
    look(hour(3.5))

    assert firings(trigger) == settled
    assert [job.pk for job in jobs_of(trigger)] == jobs
    trigger.refresh_from_db()
    assert trigger.next_fire_at == hour(4)


def test_every_time_that_did_not_fire_says_why_in_words():
    trigger = trigger_due(hour(0), misfire="fire_all", overlap="queue_one", misfire_limit=3)

    look(hour(5.5))

    told = Firing.objects.exclude(jobs_made__gt=0)
    assert told.count() == 5
    assert not told.filter(reason="").exists()
    assert trigger.firings.count() == 6


def test_very_many_missed_times_are_settled_a_thousand_at_a_time():
    trigger = trigger_due(hour(0), configuration={"cron": "* * * * *"}, misfire_grace=30)

    looks = [look(hour(25)) for _ in range(3)]

    assert looks == [1, 1, 0]
    assert Firing.objects.count() == 1501
    assert list(Firing.objects.filter(jobs_made=1).values_list("due_at", flat=True)) == [hour(25)]
    assert Job.objects.count() == 1
    trigger.refresh_from_db()
    assert trigger.next_fire_at > hour(25)


def test_nothing_piles_up_beyond_all_bounds(monkeypatch):
    monkeypatch.setattr("apps.triggers.rules.overlaps.MOST_LIVE", 2)
    trigger = trigger_due(hour(0), misfire="fire_all")

    look(hour(3.5))

    assert [code for *_, code in firings(trigger)] == ["", "", "limit", "limit"]
