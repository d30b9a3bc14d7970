"""The claim: which jobs a robot is given, in which order, and under which leases."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.events.models import Event
from apps.jobs import services
from apps.jobs.models import Execution, ExecutionStatus, Job, JobStatus
from apps.jobs.services import claiming
from apps.robots import services as robots
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import fail, job_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    return make.process(max_attempts=5, backoff_base=0)


@pytest.fixture
def session(process):
    return make.session(make.robot(of=process.tenant, slots=4))


def claim(session, *wishes):
    return services.claim_jobs(session, actor=make.acting(session.robot), wishes=wishes or [uuid.uuid4()])


def jobs_of(granted):
    return [Execution.objects.get(pk=execution).job_id for execution in granted.values()]


def test_a_grant_moves_the_job_and_opens_an_execution(process, session):
    job, wish = make.job(process), uuid.uuid4()

    granted = claim(session, wish)

    job.refresh_from_db()
    execution = Execution.objects.get(pk=granted[wish])
    assert (job.status, job.attempts_used, job.last_execution_no) == (JobStatus.RUNNING, 1, 1)
    assert (execution.job, execution.robot, execution.session) == (job, session.robot, session)
    assert (execution.status, execution.number, execution.claim_request_id) == (ExecutionStatus.RUNNING, 1, wish)
    assert job.started_at is not None


def test_the_times_of_a_lease_follow_from_its_length(session, process):
    job = make.job(process)
    Job.objects.filter(pk=job.pk).update(lease_ttl=40)

    execution = make.claimed(session)

    assert execution.expires_at - execution.granted_at == timedelta(seconds=40)
    assert execution.start_by - execution.granted_at == timedelta(seconds=80)


def test_a_lease_is_random_and_new_for_each_try(session, process):
    make.job(process)
    first = make.claimed(session)
    fail(services.start_execution(first, actor=make.acting(session.robot)))

    second = make.claimed(session)

    assert (first.number, second.number) == (1, 2)
    assert first.lease_id != second.lease_id
    assert second.lease_id.version == 4


def test_the_event_of_a_grant_names_execution_and_robot(session, process):
    job = make.job(process)

    execution = make.claimed(session)

    event = Event.objects.about(job).first()
    assert event.type == "job.claimed"
    assert event.data["execution"] == str(execution.pk)
    assert (event.data["robot"], event.actor_id) == (str(session.robot_id), str(session.robot_id))


def test_higher_priority_runs_sooner_then_what_waits_longer(session, process):
    old, new = make.job(process), make.job(process)
    urgent = make.job(process, priority=1)

    assert jobs_of(claim(session, *[uuid.uuid4() for _ in range(3)])) == [urgent.pk, old.pk, new.pk]


def test_the_line_goes_across_processes(session, process):
    other = make.process(process.folder)
    first, second, third = make.job(other), make.job(process), make.job(other, priority=-1)

    assert jobs_of(claim(session, *[uuid.uuid4() for _ in range(3)])) == [first.pk, second.pk, third.pk]


def test_a_job_that_is_not_due_is_not_given(session, process):
    job = make.job(process)
    Job.objects.filter(pk=job.pk).update(available_at=Now() + timedelta(seconds=60))

    assert claim(session) == {}


def test_no_more_is_given_than_there_are_slots(session, process):
    for _ in range(6):
        make.job(process)

    assert len(claim(session, *[uuid.uuid4() for _ in range(6)])) == 4
    assert claim(session) == {}


def test_the_same_wish_gives_the_same_lease(session, process):
    make.job(process)
    make.job(process)
    wish = uuid.uuid4()

    assert claim(session, wish) == claim(session, wish)
    assert Execution.objects.count() == 1


def test_a_wish_named_twice_is_one_wish(session, process):
    make.job(process)
    make.job(process)
    wish = uuid.uuid4()

    assert list(claim(session, wish, wish)) == [wish]
    assert Execution.objects.count() == 1


def test_a_wish_whose_lease_has_ended_gives_nothing_more(session, process):
    make.job(process)
    wish = uuid.uuid4()
    execution = Execution.objects.get(pk=claim(session, wish)[wish])
    services.release_execution(execution, actor=make.acting(session.robot))

    assert claim(session, wish) == {}
    assert job_of(execution).status == JobStatus.PENDING


def test_known_and_new_wishes_are_answered_together(session, process):
    make.job(process)
    make.job(process)
    known, new = uuid.uuid4(), uuid.uuid4()
    first = claim(session, known)

    assert claim(session, known, new)[known] == first[known]
    assert Execution.objects.count() == 2


def test_an_ended_session_claims_nothing(session, process):
    make.job(process)
    robots.end_session(session, actor=make.SYSTEM, reason="x")

    with pytest.raises(services.SessionOver):
        claim(session)


def test_a_robot_claims_only_under_its_own_session(session, process):
    make.job(process)
    stranger = make.robot(of=process.tenant)

    with pytest.raises(NotAllowed):
        services.claim_jobs(session, actor=make.acting(stranger), wishes=[uuid.uuid4()])


def test_people_claim_nothing(session):
    person = make.user("jobs.view_job", inside=session.tenant)

    with pytest.raises(NotAllowed):
        services.claim_jobs(session, actor=Actor.person(person), wishes=[uuid.uuid4()])


def test_jobs_of_another_tenant_are_out_of_reach(process):
    make.job(process)

    assert claim(make.session(make.robot())) == {}


def test_a_robot_looks_past_what_it_may_not_take(session, process):
    limited = make.process(process.folder, required_labels=["gpu"])
    for _ in range(30):
        make.job(limited, priority=9)
    job = make.job(process)

    assert jobs_of(claim(session)) == [job.pk]


def test_after_a_failure_another_robot_is_preferred(process, session):
    job = make.job(process)
    fail(services.start_execution(make.claimed(session), actor=make.acting(session.robot)))
    other = make.session(make.robot(of=process.tenant))

    assert claim(session) == {}
    assert jobs_of(claim(other)) == [job.pk]
    assert told(job).count("job.claimed") == 2


def test_without_another_robot_the_same_one_may_try_again(process, session):
    job = make.job(process)
    fail(services.start_execution(make.claimed(session), actor=make.acting(session.robot)))

    assert jobs_of(claim(session)) == [job.pk]


def test_giving_back_does_not_make_a_robot_second_choice(process, session):
    job = make.job(process)
    make.session(make.robot(of=process.tenant))
    services.release_execution(make.claimed(session), actor=make.acting(session.robot))

    assert jobs_of(claim(session)) == [job.pk]


def read_by(statement, parameters):
    """How many rows of the line a statement reads, where the table is too big to be read whole."""

    def walked(node):
        own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if node.get("Alias") == "w" else 0
        return own * node["Actual Loops"] + sum(walked(inner) for inner in node.get("Plans", ()))

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        [plan] = cursor.fetchone()
    return walked(plan[0]["Plan"])


def test_a_long_line_is_read_from_its_front_only(process, session):
    services.create_jobs(process, actor=make.SYSTEM, wanted=[services.Wanted(parameters={})] * 500)
    elsewhere = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Elsewhere")
    services.create_jobs(make.process(elsewhere), actor=make.SYSTEM, wanted=[services.Wanted(parameters={})] * 500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")

    read = read_by(claiming._CHOOSE, claiming._parameters(session.robot_id) | {"window": 17, "wanted": 1})

    assert read <= 2 * 17  # A window of each process.
