"""The checker finds each thing that breaks what must be true of due times."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.jobs.models import Job, Plane
from apps.jobs.models.invariants import check_invariants
from apps.triggers.models import Firing, Trigger
from tests import make
from tests.triggers.firing import hour, look, trigger_due

pytestmark = pytest.mark.django_db


def broken():
    return {finding.invariant.name: len(finding.broken) for finding in check_invariants() if not finding.holds}


@pytest.fixture
def trigger():
    """One that has fired, waits, and was skipped."""
    made = trigger_due(hour(0), overlap="queue_one")
    for number in range(3):
        look(hour(number))
    return made


def test_a_sound_history_breaks_nothing(trigger):
    assert broken() == {}


def test_i18_a_second_job_of_one_time(trigger):
    firing = Firing.objects.get(jobs_made=1)
    Job.objects.filter(pk=make.job(trigger.process).pk).update(trigger_id=trigger.pk, firing_id=firing.pk)

    assert broken() == {"I18": 1}


def test_i18_a_job_that_is_gone(trigger):
    make.job(trigger.process)
    Firing.objects.filter(code="overlap").update(status="fired", code="", jobs_made=1)

    assert broken() == {"I18": 1}


def test_i18_a_time_trigger_that_made_several(trigger):
    firing = Firing.objects.get(jobs_made=1)
    Job.objects.filter(pk=make.job(trigger.process).pk).update(trigger_id=trigger.pk, firing_id=firing.pk)
    Firing.objects.filter(pk=firing.pk).update(jobs_made=2)

    assert broken() == {"I18": 1}


def test_i18_a_time_that_fired_and_made_nothing(trigger):
    Firing.objects.filter(code="overlap").update(status="fired", code="")

    assert broken() == {"I18": 1}


def test_i18_a_job_of_a_time_that_nobody_knows(trigger):
    Job.objects.filter(pk=make.job(trigger.process).pk).update(trigger_id=trigger.pk, firing_id=uuid.uuid4())

    assert broken() == {"I18": 1}


def test_i18_a_time_that_was_left(trigger):
    Plane.objects.update(ticked_at=Now(), gap_ended_at=None, frozen_until=None)
    Trigger.objects.update(next_fire_at=Now() - timedelta(minutes=6))

    assert broken() == {"I18": 1}
