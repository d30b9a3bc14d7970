"""Moving a job in line."""

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.jobs import services
from tests import make
from tests.jobs.reports import told

pytestmark = pytest.mark.django_db


def test_a_higher_number_is_claimed_sooner(system):
    process = make.process()
    make.job(process, priority=5)
    late = make.job(process)

    services.prioritise_job(late, actor=system, priority=6)

    assert make.claimed(make.session(make.robot(of=process.tenant))).job_id == late.pk


def test_before_and_after_are_written_down(system):
    job = make.job(priority=1)

    services.prioritise_job(job, actor=system, priority=9)

    entry = AuditEntry.objects.about(job).first()
    assert (entry.before, entry.after) == ({"priority": 1}, {"priority": 9})
    assert told(job)[-1] == "job.prioritised"


@pytest.mark.parametrize("priority", [-1001, 1001])
def test_a_priority_out_of_range_is_refused(system, priority):
    with pytest.raises(Invalid, match="between -1000 and 1000"):
        services.prioritise_job(make.job(), actor=system, priority=priority)


def test_a_job_that_runs_has_no_place_in_line(system):
    job = make.running_job().job

    with pytest.raises(Conflict, match="running"):
        services.prioritise_job(job, actor=system, priority=1)


def test_who_may_only_look_may_not_change_it():
    job = make.job()
    viewer = Actor.person(make.user("jobs.view_job", inside=job.tenant))

    with pytest.raises(NotAllowed):
        services.prioritise_job(job, actor=viewer, priority=1)
