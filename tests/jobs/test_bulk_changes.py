"""Changing many jobs by filter."""

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.jobs import services, tasks
from apps.jobs.models import BulkAction, BulkChange, BulkStatus, Job, JobStatus
from apps.packages import services as packages
from apps.processes import services as processes
from apps.robots import services as robots
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import fail, finish, job_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    return make.process()


@pytest.fixture
def operator(process):
    return Actor.person(make.user("jobs.cancel_job", "jobs.retry_job", "jobs.prioritise_job", inside=process.tenant))


def ask(process, operator, action=BulkAction.CANCEL, **facts):
    filters = facts.pop("filters", {"process": [str(process.pk)]})
    return services.request_bulk_change(process.tenant, actor=operator, action=action, filters=filters, **facts)


def work_off(change):
    tasks.work_off_bulk_changes()
    change.refresh_from_db()
    return change


def statuses(process):
    return sorted(Job.objects.filter(process=process).values_list("status", flat=True))


def test_what_matches_is_counted_before_anything_happens(process, operator):
    make.job(process)
    make.job(process)
    make.job(make.process(process.folder))

    change = ask(process, operator)

    assert (change.expected, change.status) == (2, BulkStatus.PENDING)
    assert statuses(process) == ["pending", "pending"]


def test_what_waits_is_cancelled_and_what_runs_is_asked_to_end(process, operator):
    pending = make.job(process, priority=-1)
    running = make.running_job(process).job
    held = Job.objects.create(**copied(pending, status="waiting"))
    ended = Job.objects.create(**copied(pending, status="cancelled", finished_at=pending.created_at))

    change = work_off(ask(process, operator, reason="end of month"))

    assert [job_of_(job).status for job in (pending, running, held, ended)] == [
        "cancelled", "cancelling", "cancelled", "cancelled",
    ]  # fmt: skip
    assert (change.status, change.done, change.refused) == (BulkStatus.COMPLETED, 3, 0)


def copied(job, **changes):
    names = ("tenant_id", "folder_id", "process_id", "package_version_id", "max_attempts", "created_by")
    return {name: getattr(job, name) for name in names} | changes


def job_of_(job):
    return Job.objects.get(pk=job.pk)


def test_each_job_s_history_tells_of_it_and_the_trail_once(process, operator):
    job = make.job(process)

    change = work_off(ask(process, operator, reason="end of month"))

    assert told(job) == ["job.created", "job.cancelled"]
    entries = AuditEntry.objects.filter(target_id__in=[change.pk, job.pk], actor_id=operator.id)
    assert [(entry.action, entry.reason) for entry in entries] == [("jobs.bulk_change_requested", "end of month")]


def test_priorities_change_where_jobs_still_wait(process, operator):
    job = make.job(process)

    change = work_off(ask(process, operator, BulkAction.PRIORITISE, priority=8))

    assert job_of_(job).priority == 8
    assert change.done == 1


def test_what_ended_is_run_again(process, operator):
    tenant = process.tenant
    robot = make.robot(of=tenant)
    execution = make.running_job(process, parameters={"amount": 5}, max_attempts=3)
    finish(execution)
    Job.objects.filter(pk=execution.job_id).update(target_robot=robot)

    work_off(ask(process, operator, BulkAction.RETRY))

    again = Job.objects.get(retry_of=execution.job_id)
    assert (again.parameters, again.max_attempts, again.target_robot) == ({"amount": 5}, 3, robot)
    assert (again.status, again.created_by) == (JobStatus.PENDING, str(operator.user))
    assert told(again) == ["job.created"]


def test_what_cannot_run_again_is_counted_as_refused_and_the_rest_goes_on(process, operator):
    other = make.process(process.folder)
    fine, refused, gone = make.running_job(process), make.running_job(other), make.running_job(process)
    for execution in (fine, refused, gone):
        fail(execution)
    deleted = make.robot(of=process.tenant)
    Job.objects.filter(pk=gone.job_id).update(target_robot=deleted)
    robots.delete_robot(deleted, actor=make.SYSTEM)
    processes.disable_process(other, actor=make.SYSTEM)

    change = work_off(ask(process, operator, BulkAction.RETRY, filters={"status": ["failed"]}))

    assert (change.status, change.done, change.refused) == (BulkStatus.COMPLETED, 1, 2)
    assert Job.objects.get(retry_of__isnull=False).retry_of_id == fine.job_id


def test_a_process_with_nothing_to_run_is_counted_as_refused(process, operator):
    fail(make.running_job(process))
    packages.deactivate_version(process.package.versions.get(), actor=make.SYSTEM)

    change = work_off(ask(process, operator, BulkAction.RETRY))

    assert (change.done, change.refused) == (0, 1)


def test_of_two_with_one_key_one_is_run_again(process, operator):
    for _ in range(2):
        job = make.job(process, dedupe_key="k")
        services.cancel_job(job, actor=make.SYSTEM)

    change = work_off(ask(process, operator, BulkAction.RETRY))

    assert (change.done, change.refused) == (1, 1)
    assert Job.objects.live().filter(dedupe_key="k").count() == 1


def test_jobs_made_after_the_request_are_left_alone(process, operator):
    change = ask(process, operator)
    job = make.job(process)

    work_off(change)

    assert job_of_(job).status == JobStatus.PENDING


def test_it_goes_on_where_it_was_batch_by_batch(process, operator, monkeypatch):
    monkeypatch.setattr("apps.core.bulk.BATCH", 2)
    services.create_jobs(process, actor=make.SYSTEM, wanted=[services.Wanted({})] * 5)
    change = ask(process, operator)

    looked_at = [services.advance_bulk_change(change, actor=make.SYSTEM) for _ in range(4)]

    change.refresh_from_db()
    assert looked_at == [2, 2, 1, None]
    assert (change.status, change.done) == (BulkStatus.COMPLETED, 5)


def test_the_requester_s_rights_are_those_of_the_moment(process, operator):
    job = make.job(process)
    change = ask(process, operator)
    operator.user.role_assignments.all().delete()

    work_off(change)

    assert (change.status, change.done, job_of_(job).status) == (BulkStatus.COMPLETED, 0, JobStatus.PENDING)


def test_a_disabled_requester_s_change_fails_and_says_why(process, operator):
    make.job(process)
    change = ask(process, operator)
    type(operator.user).objects.filter(pk=operator.user.pk).update(is_active=False)

    work_off(change)

    assert change.status == BulkStatus.FAILED
    assert "Sign in" in change.problem


def test_only_what_the_requester_may_change_is_changed(process):
    elsewhere = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Elsewhere")
    theirs = make.job(make.process(elsewhere))
    ours = make.job(process)
    operator = Actor.person(make.user("jobs.cancel_job", inside=elsewhere))

    work_off(ask(process, operator, filters={"status": ["pending"]}))

    assert (job_of_(theirs).status, job_of_(ours).status) == (JobStatus.CANCELLED, JobStatus.PENDING)


def test_a_priority_belongs_to_the_one_action(process, operator):
    with pytest.raises(Invalid, match="priority"):
        ask(process, operator, BulkAction.PRIORITISE)
    with pytest.raises(Invalid, match="priority"):
        ask(process, operator, BulkAction.CANCEL, priority=1)


def test_a_priority_out_of_range_is_refused(process, operator):
    with pytest.raises(Invalid, match="between"):
        ask(process, operator, BulkAction.PRIORITISE, priority=1001)


def test_who_may_change_nothing_may_not_ask(process):
    viewer = Actor.person(make.user("jobs.view_job", inside=process.tenant))

    with pytest.raises(NotAllowed):
        ask(process, viewer)


def test_people_do_not_work_it_off_themselves(process, operator):
    change = ask(process, operator)

    with pytest.raises(NotAllowed):
        services.advance_bulk_change(change, actor=operator)


def test_a_change_that_has_ended_is_not_begun_again(process, operator):
    change = work_off(ask(process, operator))

    assert services.advance_bulk_change(change, actor=make.SYSTEM) is None
    assert BulkChange.objects.get(pk=change.pk).finished_at == change.finished_at


def test_the_execution_of_a_job_cancelled_in_bulk_ends_it(process, operator):
    execution = make.running_job(process)
    work_off(ask(process, operator))

    fail(execution)

    assert job_of(execution).status == JobStatus.CANCELLED
