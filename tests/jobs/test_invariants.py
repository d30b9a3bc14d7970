"""The checker: it finds nothing in a sound history, and each thing that breaks one."""

from __future__ import annotations

import json
import uuid
import zlib
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.events import services as events
from apps.events.models import Event
from apps.jobs import services, tasks
from apps.jobs.models import BulkAction, Execution, Job, LateResult, LogChunk, Plane
from apps.jobs.models.invariants import check_invariants
from apps.jobs.rules.invariants import within_tenants
from apps.jobs.rules.reports import End
from apps.processes import services as processes
from apps.processes.models import Process
from apps.retention.models import Pruning
from apps.robots import services as robots
from apps.robots.models import Robot
from tests import make
from tests.jobs.reports import fail, finish, job_of, lose, report
from tests.streams_fixtures import tampering

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    return make.process(max_attempts=5, backoff_base=0)


@pytest.fixture
def execution(process):
    """A job that was tried and failed once, and now runs."""
    first = make.running_job(process)
    fail(first)
    session = make.session(make.robot(of=process.tenant))
    return services.start_execution(make.claimed(session), actor=make.acting(session.robot))


def broken(client_log=None):
    """The names of the invariants that do not hold, with how many rows break each."""
    return {
        finding.invariant.name: len(finding.broken) for finding in check_invariants(client_log) if not finding.holds
    }


def without(table, *names):
    """Take constraints of a table away for the rest of the test, as nobody should."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in names:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT IF EXISTS "{name}"')
            cursor.execute(f'DROP INDEX IF EXISTS "{name}"')


def change(model, pk, **changes):
    model._base_manager.filter(pk=pk).update(**changes)


def tell(job, event_type, **data):
    events.record(event_type, job, data=data)


def fail_for_good(execution, other):
    fail(execution)
    fail(begun(other), "business_error")


def lose_and_finish(execution, other):
    lose(execution)
    finish(begun(other))


def release_and_cancel(execution, other):
    services.release_execution(execution, actor=make.acting(execution.robot))
    services.cancel_job(job_of(execution), actor=make.SYSTEM)


def cancel_and_end(execution, other):
    services.cancel_job(execution.job, actor=make.SYSTEM)
    finish(execution, End.CANCELLED)


def stop_and_end(execution, other):
    services.stop_job(execution.job, actor=make.SYSTEM)
    finish(execution, End.CANCELLED)


def begun(session):
    return services.start_execution(make.claimed(session), actor=make.acting(session.robot))


ENDS = {
    "completed": lambda execution, other: finish(execution),
    "failed for good": fail_for_good,
    "lost and done by another": lose_and_finish,
    "adopted": lambda execution, other: finish(lose(execution)),
    "given back and cancelled": release_and_cancel,
    "killed": lambda execution, other: services.kill_job(execution.job, actor=make.SYSTEM),
    "cancelled": cancel_and_end,
    "stopped": stop_and_end,
    "running": lambda execution, other: None,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_sound_history_is_sound(process, end):
    session, other = (make.session(make.robot(of=process.tenant)) for _ in range(2))
    make.job(process)

    end(begun(session), other)

    assert broken() == {}


def test_jobs_in_line_are_sound(process, system):
    services.prioritise_job(make.job(process, priority=1), actor=system, priority=3)
    services.stop_job(make.job(process), actor=system)

    assert broken() == {}


def test_a_held_job_s_history_is_sound(system):
    process = make.process(on_lost="hold")
    held = lose(make.running_job(process))
    services.resume_job(job_of(held), actor=system)
    settled = lose(make.running_job(make.process(on_lost="hold")))
    services.fail_job(job_of(settled), actor=system, reason="x")

    assert broken() == {}


def test_what_changed_in_bulk_is_sound(process, execution, system):
    make.job(process)
    boss = Actor.person(make.user(superuser=True))
    for action in (BulkAction.CANCEL, BulkAction.RETRY):
        services.request_bulk_change(process.tenant, actor=boss, action=action, filters={"process": [str(process.pk)]})
        tasks.work_off_bulk_changes()

    assert broken() == {}


def test_i1_two_open_executions(execution):
    without("jobs_execution", "execution_one_open_per_job")
    first = Execution.objects.get(job=execution.job, number=1)
    change(Execution, first.pk, status="running", finished_at=None)

    assert {"I1"} <= set(broken())


def test_i1_a_running_job_without_an_open_execution(execution):
    change(Execution, execution.pk, status="revoked", finished_at=Now())

    assert broken()["I1"] == 1


def test_i1_an_open_execution_of_a_job_in_line(execution):
    change(Job, execution.job_id, status="pending")

    assert broken()["I1"] == 1


def test_i1_a_grant_of_a_job_that_ran(execution):
    tell(execution.job, "job.claimed", status="running", reason="", execution=str(execution.pk), number=3)

    assert "I1" in broken()


def test_i2_two_accepted_results(execution):
    finish(execution)
    without("jobs_execution", "execution_one_success_per_job")
    change(Execution, Execution.objects.get(job=execution.job, number=1).pk, status="completed")

    assert broken() == {"I2": 1}


def test_i2_a_completed_job_without_a_result(execution):
    change(Job, execution.job_id, status="completed", finished_at=Now())

    assert "I2" in broken()


def test_i3_an_ended_job_that_goes_on(execution):
    finish(execution)
    tell(execution.job, "job.requeued", status="pending", reason="")

    assert "I3" in broken()


def test_i3_an_ended_job_without_an_end(execution):
    finish(execution)
    without("jobs_job", "job_final_has_end")
    change(Job, execution.job_id, finished_at=None)

    assert broken() == {"I3": 1}


def test_i3_a_retry_of_a_job_that_still_runs(process, execution):
    again = make.job(process)
    change(Job, again.pk, retry_of=execution.job)

    assert broken() == {"I3": 1}


def test_i4_an_end_that_names_another_execution(execution):
    finish(execution)
    other = Execution.objects.get(job=execution.job, number=1)
    event = Event.objects.about(execution.job).get(type="job.completed")
    with tampering("events_event"):
        change(Event, event.pk, data=event.data | {"execution": str(other.pk)})

    assert {"I4"} <= set(broken())


def test_i4_an_adoption_of_an_older_try(execution):
    lose(execution)
    change(Execution, Execution.objects.get(job=execution.job, number=1).pk, status="adopted")

    assert "I4" in broken()


@pytest.mark.parametrize("changes", [{"number": 7}, {"status": "released"}])
def test_i5_tries_that_are_not_numbered_or_counted_right(execution, changes):
    change(Execution, Execution.objects.get(job=execution.job, number=1).pk, **changes)

    assert broken()["I5"] == 1


def test_i5_more_attempts_than_are_allowed(execution):
    without("jobs_job", "job_attempts_in_bounds")
    change(Job, execution.job_id, max_attempts=1)

    assert broken() == {"I5": 1}


def test_i5_an_execution_closed_twice(execution):
    fail(execution)
    tell(execution.job, "job.requeued", status="pending", reason="application_error", execution=str(execution.pk))

    assert broken()["I5"] == 1


def test_i7_two_leases_of_one_wish(execution):
    first = Execution.objects.get(job=execution.job, number=1)
    change(Execution, first.pk, claim_request_id=execution.claim_request_id)

    assert broken() == {"I7": 1}


@pytest.fixture
def steady_plane():
    Plane.objects.update(ticked_at=Now(), gap_ended_at=None, frozen_until=None)


@pytest.mark.parametrize(("ago", "found"), [(99, {}), (102, {"I8": 1})])
def test_i8_a_lease_that_nobody_sweeps(execution, steady_plane, ago, found):
    change(Execution, execution.pk, expires_at=Now() - timedelta(seconds=ago))

    assert broken() == found


@pytest.mark.parametrize(
    "facts",
    [
        {"ticked_at": Now() - timedelta(seconds=30)},
        {"gap_ended_at": Now() - timedelta(seconds=100)},
        {"frozen_until": Now()},
    ],
)
def test_i8_nothing_is_said_after_an_outage_of_ours(execution, steady_plane, facts):
    change(Execution, execution.pk, expires_at=Now() - timedelta(hours=1))
    Plane.objects.update(**facts)

    assert broken() == {}


def test_i9_a_start_after_a_cancel(execution, system):
    services.cancel_job(execution.job, actor=system)
    change(Execution, execution.pk, started_at=Now() + timedelta(seconds=1))

    assert broken() == {"I9": 1}


def test_i9_a_cancelled_job_in_line_again(execution, system):
    services.cancel_job(execution.job, actor=system)
    tell(execution.job, "job.requeued", status="pending", reason="", execution=str(execution.pk), number=2)
    change(Execution, execution.pk, status="lost", finished_at=Now())
    change(Job, execution.job_id, status="pending")

    assert broken() == {"I9": 2}


def test_i12_one_lease_of_two_executions(execution):
    without("jobs_execution", "jobs_execution_lease_id_key")
    first = Execution.objects.get(job=execution.job, number=1)
    change(Execution, first.pk, lease_id=execution.lease_id)

    assert broken() == {"I12": 1}


def test_i12_a_lease_that_was_known_before_it_was_made(process):
    lease = uuid.uuid4()
    LateResult.objects.create(
        tenant_id=process.tenant_id, lease_id=lease, kind="unknown_lease", outcome="completed", digest="d"
    )
    execution = make.running_job(process)

    change(Execution, execution.pk, lease_id=lease)

    assert broken() == {"I12": 1}


@pytest.mark.parametrize("changes", [{"reason": "odd"}, {"last_execution_no": 9}, {"status": "cancelling"}])
def test_i16_a_row_that_its_events_do_not_explain(execution, changes):
    extra = {"cancel_requested_at": Now()} if "status" in changes else {}
    change(Job, execution.job_id, **changes, **extra)

    assert broken()["I16"] == 1


def test_i16_a_priority_nobody_gave(process, system):
    job = make.job(process)
    services.prioritise_job(job, actor=system, priority=3)
    change(Job, job.pk, priority=4)

    assert broken() == {"I16": 1}


def write_log(execution, *pieces):
    for piece in pieces:
        execution.refresh_from_db()
        services.append_log(
            execution,
            actor=make.acting(execution.robot),
            offset=execution.log_length,
            data=piece,
            crc32=zlib.crc32(piece),
        )


def test_i19_a_whole_log_is_sound(execution):
    write_log(execution, b"one\n", b"two\n")
    finish(execution, log_length=8, log_crc32=zlib.crc32(b"one\ntwo\n"))

    assert broken() == {}


def test_i19_a_log_that_is_short_of_what_was_announced_is_only_incomplete(execution):
    write_log(execution, b"one\n")
    finish(execution, log_length=8, log_crc32=1)

    assert broken() == {}


def test_i19_a_missing_piece(execution):
    write_log(execution, b"one\n", b"two\n", b"three\n")
    LogChunk.objects.filter(execution_id=execution.pk, offset=4).delete()

    assert broken() == {"I19": 1}


def test_i19_the_end_is_missing(execution):
    write_log(execution, b"one\n", b"two\n")
    LogChunk.objects.filter(execution_id=execution.pk, offset=4).delete()

    assert broken() == {"I19": 1}


def test_i19_a_whole_log_is_missing(process, execution):
    write_log(execution, b"one\n")
    later = make.running_job(process)
    write_log(later, b"one\n")
    LogChunk.objects.filter(execution_id=later.pk).delete()

    assert broken() == {"I19": 1}


def test_i19_what_was_dropped_with_its_day_is_not_missed(process, execution):
    write_log(execution, b"one\n", b"two\n")
    LogChunk.objects.filter(execution_id=execution.pk, offset=0).delete()
    Pruning.objects.create(kind="logs", until=Now())

    assert broken() == {}


def test_i19_a_piece_that_has_another_size(execution):
    write_log(execution, b"one\n")
    LogChunk.objects.filter(execution_id=execution.pk).update(data=b"on")

    assert broken() == {"I19": 1}


def test_i19_another_log_than_the_robot_announced(execution):
    write_log(execution, b"one\n")
    finish(execution, log_length=4, log_crc32=zlib.crc32(b"two\n"))

    assert broken() == {"I19": 1}


def test_i20_a_key_into_another_tenant(process):
    without("processes_process", "process_robot_same_tenant")
    change(Process, process.pk, target_robot=make.robot())

    assert broken() == {"I20": 1}


def test_i20_a_stream_s_plain_id_into_another_tenant(execution):
    LateResult.objects.create(
        tenant_id=make.tenant().pk, lease_id=uuid.uuid4(), job_id=execution.job_id, kind="late", outcome="x", digest="d"
    )

    assert broken() == {"I20": 1}


def test_i20_looks_at_every_key_there_is():
    sql = within_tenants().sql

    assert "jobs_execution.session_id leads" in sql
    assert "robots_robotfolder.folder_id leads" in sql
    assert "rbac_roleassignment.role_id leads" in sql
    assert "accounts_apitoken.user_id leads" in sql


@pytest.fixture
def three_at_once(process):
    """Three jobs of one process with one value that run at once on one robot."""
    session = make.session(make.robot(of=process.tenant, slots=3))
    for _ in range(3):
        make.job(process, parameters={"customer": "acme"})
    granted = services.claim_jobs(session, actor=make.acting(session.robot), wishes=[uuid.uuid4() for _ in range(3)])
    Execution.objects.filter(pk__in=granted.values()).update(limit_value="acme")
    return session


def test_i23_limits_that_are_kept_are_sound(process, three_at_once):
    change(Process, process.pk, concurrency_limit=3, limit_parameter="customer", limit_per_value=3)

    assert broken() == {}


def test_i23_a_process_over_its_limit(process, three_at_once):
    change(Process, process.pk, concurrency_limit=2)

    assert broken() == {"I23": 3}


def test_i23_a_value_over_its_limit(process, three_at_once):
    change(Process, process.pk, limit_parameter="customer", limit_per_value=2)

    assert broken() == {"I23": 3}


def test_i23_a_robot_over_its_slots(three_at_once):
    change(Robot, three_at_once.robot_id, slots=2)

    assert broken() == {"I23": 3}


def test_i23_what_ended_before_counts_no_more(process):
    session = make.session(make.robot(of=process.tenant))
    for _ in range(3):
        make.job(process)
        finish(services.start_execution(make.claimed(session), actor=make.acting(session.robot)))
    change(Process, process.pk, concurrency_limit=1)

    assert broken() == {}


def test_i23_what_was_exceeded_is_found_afterwards(process, three_at_once):
    for execution in Execution.objects.open():
        finish(execution)
    change(Process, process.pk, concurrency_limit=2)

    assert broken() == {"I23": 3}


def test_i23_what_began_under_another_limit_goes_on(process, three_at_once, system):
    processes.update_process(process, actor=system, concurrency_limit=1)
    robot = three_at_once.robot
    robots.update_robot(robot, actor=system, name=robot.name, description="", slots=1, labels=[], folders=[])

    assert broken() == {}


class TestClientLogs:
    """What needs the clients' own notes."""

    def told(self, execution, answer="accepted", digest=None):
        digest = digest or report(execution).digest
        return {"kind": "told", "lease": execution.lease_id, "digest": digest, "answer": answer}

    def test_a_true_log_is_sound(self, execution):
        finish(execution)
        log = [
            {"kind": "wished", "robot": execution.robot_id, "wish": execution.claim_request_id},
            {"kind": "ran", "robot": execution.robot_id, "lease": execution.lease_id},
            self.told(execution),
            {"kind": "created", "job": execution.job_id, "key": "k"},
            {"kind": "created", "job": execution.job_id, "key": "k"},
        ]

        assert broken(log) == {}

    def test_i6_told_accepted_and_another_result_is_stored(self, execution):
        finish(execution, result="one")
        finish(execution, result="other")

        assert broken([self.told(execution, digest=report(execution, result="other").digest)]) == {"I6": 1}

    def test_i6_told_late_and_it_is_stored(self, execution):
        finish(execution)

        assert broken([self.told(execution, "late")]) == {"I6": 1}

    def test_i10_and_i15_a_result_that_is_nowhere(self, execution):
        assert broken([self.told(execution)]) == {"I6": 1, "I10": 1, "I15": 1}
        assert broken([self.told(execution, "late")]) == {"I10": 1}

    def test_i10_a_result_kept_aside_is_kept(self, execution):
        lose(execution)
        finish(execution, End.FAILED)

        assert broken([self.told(execution, "late", report(execution, End.FAILED).digest)]) == {}

    def test_i11_what_was_acknowledged_is_not_there(self):
        assert broken([{"kind": "created", "job": uuid.uuid4()}]) == {"I11": 1}

    def test_i11_two_jobs_of_one_key(self, process):
        log = [{"kind": "created", "job": make.job(process).pk, "key": "k"} for _ in range(2)]

        assert broken(log) == {"I11": 1}

    def test_i13_a_grant_nobody_wished_for(self, execution):
        log = [{"kind": "wished", "robot": execution.robot_id, "wish": uuid.uuid4()}]

        assert broken(log) == {"I13": 1}

    def test_i14_a_lease_run_twice(self, execution):
        log = [{"kind": "ran", "robot": execution.robot_id, "lease": execution.lease_id}] * 2

        assert broken(log) == {"I14": 1}


@pytest.mark.django_db(transaction=True)
class TestTheCommand:
    """``manage.py verify_invariants`` on a live database."""

    def run(self, *arguments):
        out = StringIO()
        call_command("verify_invariants", *arguments, stdout=out)
        return out.getvalue()

    def test_it_says_of_each_that_it_holds(self, execution):
        lines = self.run().splitlines()

        assert [line.split()[0] for line in lines] == [
            "I1", "I2", "I3", "I4", "I5", "I7", "I8", "I9", "I12", "I16", "I18", "I19", "I20", "I23", "I24",
        ]  # fmt: skip
        assert {line.split()[1] for line in lines} == {"ok"}

    def test_it_names_what_is_broken_and_fails(self, execution):
        change(Job, execution.job_id, last_execution_no=F("last_execution_no") + 1)
        out = StringIO()

        with pytest.raises(CommandError, match=r"Broken: I5, I16\.") as failure:
            call_command("verify_invariants", stdout=out)

        assert failure.value.returncode == 1
        assert str(execution.job_id) in out.getvalue()

    def test_it_names_no_more_than_a_few(self, process):
        services.create_jobs(process, actor=make.SYSTEM, wanted=[services.Wanted({})] * 30)
        Job.objects.update(last_execution_no=1)
        out = StringIO()

        with pytest.raises(CommandError):
            call_command("verify_invariants", stdout=out)

        assert out.getvalue().count("has tries") == 20
        assert "and perhaps more" in out.getvalue()

    def test_it_reads_a_client_log(self, execution, tmp_path):
        file = tmp_path / "clients.jsonl"
        file.write_text(json.dumps({"kind": "ran", "lease": str(execution.lease_id)}) + "\n\n")

        assert "I14  ok" in self.run("--client-log", str(file))

    def test_a_client_log_that_is_none_is_refused(self, tmp_path):
        file = tmp_path / "clients.jsonl"
        file.write_text("{}\nnonsense\n")

        with pytest.raises(CommandError, match="Line 2"):
            self.run("--client-log", str(file))

    def test_a_client_log_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(CommandError, match=r"cannot be read: .*clients\.jsonl"):
            self.run("--client-log", str(tmp_path / "clients.jsonl"))
