"""Asking for a process to run."""

import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.jobs import services
from apps.jobs.models import Job, JobStatus
from apps.jobs.services import Wanted
from apps.packages import services as packages
from apps.processes import services as processes
from apps.processes.models import NothingToRun
from tests import make
from tests.jobs.reports import finish, job_of, told

pytestmark = pytest.mark.django_db


def problems(refusal):
    return {problem.field: problem.message for problem in refusal.value.problems}


def create(process, **wanted):
    return services.create_job(process, actor=make.SYSTEM, wanted=Wanted(**{"parameters": {}} | wanted))


def test_a_job_is_in_line_at_once():
    job = create(make.process())

    assert (job.status, job.reason, job.attempts_used) == (JobStatus.PENDING, "", 0)
    assert job.available_at <= timezone.now()
    assert told(job) == ["job.created"]


def test_it_remembers_what_it_was_created_for_whatever_comes_after(system):
    process = make.process()
    job = create(process)
    version = job.package_version
    make.package_version(process.folder, name=process.package.name, version="2.0.0")

    job.refresh_from_db()
    assert (job.package_name, job.package_version_number) == (process.package.name, "1.0.0")
    assert (job.package_sha256, job.entrypoint_name, job.command) == (version.sha256, "main", "main:main")
    assert create(process).package_version_number == "2.0.0"


def test_its_kind_is_that_of_the_version_it_runs():
    process = make.process()
    name = process.package.name
    project = f"name: {name}\ntype: agent\nversion: '2.0.0'\nentrypoints: [{{name: main, command: 'main:main'}}]\n"
    make.package_version(process.folder, name=name, **{"bvproject.yaml": project})

    assert (process.kind, create(process).kind) == ("rpa", "agent")


def test_it_takes_from_its_process_what_is_not_asked_for():
    process = make.process(
        priority=7, timeout=60, max_attempts=4, on_lost="hold", lease_ttl=45, kill_grace=0, backoff_base=1,
        backoff_cap=2, backoff_jitter=False,
    )  # fmt: skip

    job = create(process)

    assert (job.priority, job.timeout, job.max_attempts, job.on_lost) == (7, 60, 4, "hold")
    assert (job.lease_ttl, job.kill_grace, job.backoff_base, job.backoff_cap) == (45, 0, 1, 2)
    assert job.backoff_jitter is False


def test_what_is_asked_for_wins():
    process = make.process(priority=7, timeout=60, max_attempts=4)

    job = create(process, priority=0, timeout=5, max_attempts=1)

    assert (job.priority, job.timeout, job.max_attempts) == (0, 5, 1)


def test_parameters_are_laid_over_the_defaults_of_the_process():
    process = make.process(parameters={"customer": "a", "amount": 1})

    assert create(process, parameters={"amount": 2}).parameters == {"customer": "a", "amount": 2}


def test_every_wrong_parameter_is_named():
    with pytest.raises(Invalid) as refusal:
        create(make.process(), parameters={"amount": "many", "colour": "red"})

    assert set(problems(refusal)) == {"parameters.amount", "parameters.colour"}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"priority": 1001}, "priority"),
        ({"priority": -1001}, "priority"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 101}, "max_attempts"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 10**9}, "timeout"),
        ({"start_by": -1}, "start_by"),
        ({"dedupe_key": "k" * 201}, "dedupe_key"),
    ],
)
def test_what_lies_out_of_range_is_refused_by_name(wanted, field):
    with pytest.raises(Invalid) as refusal:
        create(make.process(), **wanted)

    assert list(problems(refusal)) == [field]


def test_a_late_start_is_a_pending_job():
    begins = timezone.now() + timedelta(hours=1)

    job = create(make.process(), available_at=begins, start_by=60)

    assert (job.status, job.available_at) == (JobStatus.PENDING, begins)
    assert job.start_deadline == begins + timedelta(seconds=60)


def test_a_start_in_the_past_is_now():
    job = create(make.process(), available_at=timezone.now() - timedelta(days=1))

    assert timezone.now() - job.available_at < timedelta(minutes=1)


def test_a_start_in_the_far_future_is_refused():
    with pytest.raises(Invalid) as refusal:
        create(make.process(), available_at=timezone.now() + timedelta(days=400))

    assert list(problems(refusal)) == ["available_at"]


def test_a_deadline_may_come_from_the_process():
    job = create(make.process(start_by=30))

    assert job.start_deadline - job.available_at == timedelta(seconds=30)


@pytest.mark.parametrize("field", ["target_robot", "target_machine"])
def test_a_target_of_another_tenant_is_not_there(field):
    robot = make.robot()
    target = robot if field == "target_robot" else robot.machine

    with pytest.raises(Invalid) as refusal:
        create(make.process(), **{field: target})

    assert problems(refusal) == {field: "does not exist in this tenant."}


def test_one_live_job_per_dedupe_key():
    process = make.process()
    first = create(process, dedupe_key="invoice-1")

    with pytest.raises(services.DuplicateJob) as refusal:
        create(process, dedupe_key="invoice-1")

    assert refusal.value.extra == {"job": str(first.pk)}
    assert Job.objects.filter(process=process).count() == 1


def test_a_dedupe_key_is_free_again_when_its_job_has_ended(system):
    process = make.process()
    first = create(process, dedupe_key="invoice-1")
    services.cancel_job(first, actor=system)

    assert create(process, dedupe_key="invoice-1") != first


def test_a_dedupe_key_is_each_process_s_own():
    create(make.process(), dedupe_key="k")

    assert create(make.process(), dedupe_key="k").dedupe_key == "k"


def test_a_disabled_process_takes_no_jobs(system):
    process = processes.disable_process(make.process(), actor=system)

    with pytest.raises(services.ProcessDisabled):
        create(process)


def test_a_deleted_process_takes_no_jobs(system):
    process = make.process()
    processes.delete_process(process, actor=system)
    process.refresh_from_db()

    with pytest.raises(services.ProcessDisabled):
        create(process)


def test_without_an_active_version_there_is_nothing_to_run(system):
    process = make.process()
    packages.deactivate_version(process.package.versions.get(), actor=system)

    with pytest.raises(NothingToRun):
        create(process)


def test_a_script_needs_no_package():
    job = create(make.process(script_path="reports/daily.py"), parameters={"any": "thing"})

    assert (job.script_path, job.package_version, job.command) == ("reports/daily.py", None, "")


def test_the_value_a_limit_counts_by_is_remembered():
    process = make.process(limit_parameter="customer", limit_per_value=1)

    assert create(process, parameters={"customer": "acme"}).limit_value == "acme"
    assert create(process).limit_value == ""


def test_who_asked_is_written_down():
    tenant = make.tenant()
    process = make.process(make.folder(tenant))
    person = make.user("processes.run_process", inside=tenant)

    job = services.create_job(process, actor=Actor.person(person), wanted=Wanted({}), source="manual")

    assert (job.created_by, job.source) == (f"person {person.username}", "manual")
    assert AuditEntry.objects.about(job).get().actor_id == str(person.pk)


def test_who_may_only_look_may_not_run():
    process = make.process()
    viewer = Actor.person(make.user("processes.view_process", inside=process.tenant))

    with pytest.raises(NotAllowed, match="run process"):
        services.create_job(process, actor=viewer, wanted=Wanted({}))


def test_many_are_made_together_or_not_at_all():
    process = make.process()
    wanted = [Wanted({"amount": 1}), Wanted({"amount": "x"}), Wanted({}, priority=5000)]

    with pytest.raises(Invalid) as refusal:
        services.create_jobs(process, actor=make.SYSTEM, wanted=wanted)

    assert set(problems(refusal)) == {"jobs[1].parameters.amount", "jobs[2].priority"}
    assert not Job.objects.filter(process=process).exists()


def test_many_are_made_by_one_entry_and_an_event_each(system):
    process = make.process()

    jobs = services.create_jobs(process, actor=system, wanted=[Wanted({"amount": n}) for n in range(5)])

    assert [job.parameters["amount"] for job in jobs] == [0, 1, 2, 3, 4]
    assert AuditEntry.objects.about(process).first().after["count"] == 5
    assert [told(job) for job in jobs] == [["job.created"]] * 5


@pytest.mark.parametrize("count", [0, 1001])
def test_too_many_and_none_are_refused(system, count):
    with pytest.raises(Invalid, match="between 1 and 1000"):
        services.create_jobs(make.process(), actor=system, wanted=[Wanted({})] * count)


def test_a_key_named_twice_in_one_request_is_refused(system):
    with pytest.raises(services.DuplicateJob, match="named twice"):
        services.create_jobs(make.process(), actor=system, wanted=[Wanted({}, dedupe_key="k")] * 2)


def test_who_may_only_look_may_not_run_many():
    process = make.process()
    viewer = Actor.person(make.user("processes.view_process", inside=process.tenant))

    with pytest.raises(NotAllowed):
        services.create_jobs(process, actor=viewer, wanted=[Wanted({})])


def ended(process=None, **wanted):
    execution = make.running_job(process, **wanted)
    finish(execution)
    return job_of(execution)


def test_a_retry_is_a_new_job_that_points_at_the_old_one(system):
    job = ended(parameters={"amount": 3}, priority=4)

    again = services.retry_job(job, actor=system)

    assert (again.retry_of, again.status, again.source) == (job, JobStatus.PENDING, "retry")
    assert (again.parameters, again.priority, again.attempts_used) == ({"amount": 3}, 4, 0)
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED


def test_a_retry_keeps_its_target_and_its_key(system):
    tenant = make.tenant()
    robot = make.robot(of=tenant)
    job = make.job(make.process(make.folder(tenant)), target_robot=robot, dedupe_key="k")
    services.cancel_job(job, actor=system)

    again = services.retry_job(job, actor=system)

    assert (again.target_robot, again.dedupe_key) == (robot, "k")
    with pytest.raises(services.DuplicateJob):
        services.retry_job(job, actor=system)


def test_a_retry_whose_parameters_no_longer_fit_is_refused(system):
    process = make.process()
    job = ended(process, parameters={"amount": 3})
    make.package_version(
        process.folder, name=process.package.name, version="2.0.0", source="def main(other: int):\n    pass\n"
    )

    with pytest.raises(Invalid) as refusal:
        services.retry_job(job, actor=system)

    assert set(problems(refusal)) == {"parameters.amount", "parameters.other"}


def test_only_what_has_ended_can_be_retried(system):
    with pytest.raises(Conflict, match="pending"):
        services.retry_job(make.job(), actor=system)


def test_who_may_only_look_may_not_retry():
    job = ended()
    viewer = Actor.person(make.user("jobs.view_job", inside=job.tenant))

    with pytest.raises(NotAllowed):
        services.retry_job(job, actor=viewer)


def test_the_package_file_is_what_the_job_says(system):
    job = create(make.process())

    with packages.open_file(job.package_version) as file, zipfile.ZipFile(file) as archive:
        assert "main.py" in archive.namelist()
