"""Jobs that jobs start: who may, how deep, and how they end together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.jobs import services
from apps.jobs.models import BulkAction, Execution, Job, JobStatus, why
from apps.processes import services as processes
from apps.robots.models import Robot
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import fail, finish, lose, told

pytestmark = pytest.mark.django_db


def acting(execution: Execution) -> Actor:
    """The running job as an actor."""
    return Actor.job(execution.pk, "parent", execution.tenant_id)


def begin(job: Job) -> Execution:
    """Let a robot of its own take a waiting job and begin it."""
    robot = make.robot(of=job.tenant)
    Job.objects.filter(pk=job.pk).update(target_robot=robot)
    execution = make.claimed(make.session(robot))
    return services.start_execution(execution, actor=make.acting(robot))


def child_of(execution: Execution, process: str = "", **wanted) -> Job:
    name = process or execution.job.process.name
    asked = services.Wanted(**{"parameters": {}} | wanted)
    return services.start_child(execution, actor=acting(execution), process=name, wanted=asked)


@pytest.fixture
def process():
    """A process whose jobs may start jobs of it."""
    made = make.process(name="Invoices", max_attempts=3)
    processes.update_process(made, actor=make.SYSTEM, may_start=[made])
    return made


@pytest.fixture
def parent(process):
    """A running job of it."""
    return begin(make.job(process))


def statuses(*jobs: Job) -> list[str]:
    known = dict(Job.objects.values_list("pk", "status"))
    return [known[job.pk] for job in jobs]


def test_a_running_job_starts_another_of_an_allowed_process(parent, process):
    child = child_of(parent, priority=7, dedupe_key="one")

    child.refresh_from_db()
    assert (child.parent, child.depth, child.process, child.priority) == (parent.job, 1, process, 7)
    assert (child.source, child.created_by, child.status) == ("job", "job parent", JobStatus.PENDING)
    entry = AuditEntry.objects.about(child).get()
    assert (entry.actor_kind, entry.action, entry.after["parent"]) == ("job", "job.created", str(parent.job_id))
    assert told(child) == ["job.created"]


def test_a_job_starts_no_more_than_so_many_whatever_became_of_them(parent, settings):
    settings.JOB_CHILDREN_MOST = 2
    services.cancel_job(child_of(parent), actor=make.SYSTEM)
    child_of(parent)

    with pytest.raises(services.TooManyJobs) as refusal:
        child_of(parent)

    assert refusal.value.extra == {"limit": 2}
    assert Job.objects.filter(parent=parent.job).count() == 2


def test_a_tree_of_jobs_grows_no_further_than_so_many(parent, settings):
    settings.JOB_TREE_MOST = 4
    below = begin(child_of(parent))
    child_of(below)
    child_of(parent)

    with pytest.raises(services.TooManyJobs, match="these are 4 jobs"):
        child_of(parent)
    with pytest.raises(services.TooManyJobs, match="these are 4 jobs"):
        child_of(below)


def test_the_trees_of_others_are_not_counted(parent, process, settings):
    settings.JOB_TREE_MOST = 2
    another = begin(make.job(process))
    child_of(parent)

    assert child_of(another).depth == 1


@pytest.mark.parametrize("named", ["Invoices", "invoices", "INVOICES"])
def test_a_process_is_named_as_people_write_it(parent, named):
    assert child_of(parent, named).process == parent.job.process


def test_a_process_may_be_named_by_its_id(parent, process):
    assert child_of(parent, str(process.pk)).process == process


def test_unknown_and_not_allowed_are_one_answer(parent, process):
    make.process(process.folder, name="Payments")
    elsewhere = make.process(name="Elsewhere")
    gone = make.process(process.folder, name="Gone")
    processes.update_process(process, actor=make.SYSTEM, may_start=[process, gone])
    processes.delete_process(gone, actor=make.SYSTEM)

    refusals = [refusal_of(parent, named) for named in ("Payments", "Nowhere", str(elsewhere.pk), "Gone")]

    assert {type(refusal) for refusal in refusals} == {NotFound}
    assert {refusal.code for refusal in refusals} == {"unknown_process"}
    assert str(refusals[0]).replace("Payments", "Nowhere") == str(refusals[1])


def refusal_of(execution: Execution, named: str = "") -> Exception:
    with pytest.raises((Conflict, NotFound, Invalid, NotAllowed)) as refusal:
        child_of(execution, named)
    return refusal.value


def test_of_two_with_one_name_that_of_the_own_folder_is_meant(parent, process):
    other = make.process(tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Other"), name="invoices")
    processes.update_process(process, actor=make.SYSTEM, may_start=[process, other])
    near = child_of(parent).process
    processes.update_process(process, actor=make.SYSTEM, may_start=[other])

    assert near == process
    assert child_of(parent).process == other


def test_jobs_start_one_another_five_deep_and_no_deeper(parent):
    running = parent
    for _ in range(5):
        running = begin(child_of(running))

    refusal = refusal_of(running)

    assert (running.job.depth, refusal.code, refusal.extra) == (5, "too_deep", {"depth": 5})


def test_what_is_wrong_with_its_parameters_is_named(parent):
    with pytest.raises(Invalid, match="colour"):
        child_of(parent, parameters={"colour": "red"})


def test_a_dedupe_key_gives_one_unfinished_job(parent):
    child_of(parent, dedupe_key="once")

    with pytest.raises(services.DuplicateJob):
        child_of(parent, dedupe_key="once")


@pytest.mark.parametrize("ask", [services.cancel_job, services.stop_job])
def test_a_job_that_was_asked_to_end_starts_no_others(parent, ask):
    ask(parent.job, actor=make.SYSTEM)

    assert refusal_of(parent).code == "job_ending"
    assert not Job.objects.filter(parent=parent.job).exists()


@pytest.mark.parametrize("end", [finish, fail, lose])
def test_a_job_that_has_ended_starts_no_others(parent, end):
    end(parent)

    assert refusal_of(parent).code == "lease_over"


def test_only_the_job_itself_starts_jobs_in_its_name(parent):
    other = begin(make.job(parent.job.process))
    asked = services.Wanted(parameters={})

    with pytest.raises(NotAllowed):
        services.start_child(parent, actor=acting(other), process="Invoices", wanted=asked)
    with pytest.raises(NotAllowed):
        services.start_child(parent, actor=make.acting(parent.robot), process="Invoices", wanted=asked)


def test_a_further_try_finds_the_children_of_the_one_before(parent):
    child = child_of(parent)
    fail(parent)
    Job.objects.filter(pk=parent.job_id).update(available_at=parent.granted_at)
    again = begin(parent.job)

    found = services.find_child(again, actor=acting(again), child_id=child.pk)

    assert (again.number, found) == (2, child)


def test_the_children_of_others_are_not_there(parent):
    other = begin(make.job(parent.job.process))
    child = child_of(parent)

    with pytest.raises(NotFound):
        services.find_child(other, actor=acting(other), child_id=child.pk)
    with pytest.raises(NotFound):
        services.cancel_child(other, actor=acting(other), child=child)
    assert statuses(child) == ["pending"]


@pytest.fixture
def family(parent):
    """A running job, its running child and another that waits, and below each of the two one that waits."""
    running, waiting = begin(child_of(parent)), child_of(parent)
    grandchild = child_of(running)
    return parent.job, running.job, waiting, grandchild


@pytest.mark.parametrize(("ask", "then"), [(services.cancel_job, "cancelling"), (services.kill_job, "cancelled")])
def test_three_generations_end_together(family, ask, then):
    top, running, _, grandchild = family

    ask(top, actor=make.SYSTEM)

    assert statuses(*family) == [then, "cancelling", "cancelled", "cancelled"]
    assert told(running)[-1] == "job.cancelling"
    assert told(grandchild)[-1] == "job.cancelled"
    assert AuditEntry.objects.about(top).first().after == {"status": then, "children": 3}


def test_what_has_ended_stays_as_it_is_and_what_it_started_ends(family):
    top, running, _, grandchild = family
    finish(Execution.objects.open().get(job=running))

    services.cancel_job(top, actor=make.SYSTEM)

    assert statuses(running, grandchild) == ["completed", "cancelled"]


def test_a_cancel_goes_down_and_not_up(family):
    top, running, waiting, grandchild = family

    services.cancel_job(running, actor=make.SYSTEM)

    assert statuses(top, running, waiting, grandchild) == ["running", "cancelling", "pending", "cancelled"]


@pytest.mark.parametrize("end", [fail, lose, finish])
def test_children_outlive_a_parent_that_ends_otherwise(family, parent, end):
    end(parent)

    assert statuses(*family[1:]) == ["running", "pending", "pending"]


def test_stopping_a_running_job_leaves_those_it_waits_for(family):
    services.stop_job(family[0], actor=make.SYSTEM)

    assert statuses(*family) == ["running", "running", "pending", "pending"]


def test_a_child_is_cancelled_by_the_job_that_started_it(family, parent):
    _, running, waiting, _ = family

    services.cancel_child(parent, actor=acting(parent), child=running)
    services.cancel_child(parent, actor=acting(parent), child=waiting)
    services.cancel_child(parent, actor=acting(parent), child=waiting)

    assert statuses(*family) == ["running", "cancelling", "cancelled", "cancelled"]
    assert AuditEntry.objects.about(waiting).first().actor_kind == "job"


def test_a_bulk_cancel_takes_children_along(family):
    top = family[0]
    change = services.request_bulk_change(
        top.tenant,
        actor=Actor.person(make.user(superuser=True)),
        action=BulkAction.CANCEL,
        filters={"jobs": [str(top.pk)]},
    )

    services.advance_bulk_change(change, actor=make.SYSTEM)

    change.refresh_from_db()
    assert statuses(*family) == ["cancelling", "cancelling", "cancelled", "cancelled"]
    assert (change.expected, change.done, change.refused) == (1, 1, 0)


def test_many_are_run_again_as_jobs_of_nobody(family):
    top, _, waiting, _ = family
    services.cancel_job(waiting, actor=make.SYSTEM)
    change = services.request_bulk_change(
        top.tenant,
        actor=Actor.person(make.user(superuser=True)),
        action=BulkAction.RETRY,
        filters={"jobs": [str(waiting.pk)]},
    )

    services.advance_bulk_change(change, actor=make.SYSTEM)

    again = Job.objects.get(retry_of=waiting)
    assert (again.parent, again.depth) == (None, 0)


def test_why_a_child_waits_is_told_as_of_any_job(parent):
    child = child_of(parent)

    told_why = why.why_job(child, among=Robot.objects.filter(tenant_id=child.tenant_id))

    assert told_why.summary
    assert [view.id for view in told_why.robots] == [parent.robot_id]


@pytest.mark.django_db(transaction=True)
def test_no_child_survives_a_cancel_that_comes_at_the_same_time(process):
    parent = begin(make.job(process))
    starters = 4
    ready = Barrier(starters + 1)

    def start(_: int) -> str:
        try:
            ready.wait()
            child_of(Execution.objects.get(pk=parent.pk))
        except services.JobEnding:
            return "refused"
        finally:
            connection.close()
        return "started"

    def cancel() -> None:
        try:
            ready.wait()
            services.cancel_job(Job.objects.get(pk=parent.job_id), actor=make.SYSTEM)
        finally:
            connection.close()

    with ThreadPoolExecutor(starters + 1) as pool:
        cancelling = pool.submit(cancel)
        outcomes = list(pool.map(start, range(starters)))
        cancelling.result()

    children = Job.objects.filter(parent=parent.job_id)
    assert set(outcomes) <= {"started", "refused"}
    assert children.count() == outcomes.count("started")
    assert {child.status for child in children} <= {JobStatus.CANCELLED}
