"""Runs: what they write down, what bounds them, and what a kill or a second one does to them."""

import signal
import subprocess
import sys
from contextlib import suppress
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from apps.audit.models import AuditEntry
from apps.configuration.models import Setting
from apps.jobs import services as jobs
from apps.jobs.models import Execution, Job
from apps.jobs.models.invariants import check_live
from apps.queues.models import QueueItem
from apps.retention import services
from apps.retention.models import KINDS, Pruning
from apps.retention.tasks import prune
from tests import make, roles
from tests.orchestrator.processes import eventually
from tests.retention.aged import RETENTION, cancelled, completed, days_ago, done, firing, keep

JOBS = KINDS["jobs"]
SETTINGS = "orchestrator.settings"


class Killed(Exception):
    """Stands for a kill: nothing after it is done."""


def one_batch(limit=1, kind=JOBS):
    values = Setting.objects.in_force("retention")
    return services.prune_batch(kind, actor=RETENTION, values=values, limit=limit)


def told():
    return [entry.after for entry in AuditEntry.objects.filter(action="retention.pruned").order_by("seq")]


@pytest.mark.django_db
class TestWritingDown:
    def test_a_run_writes_one_entry_for_each_kind_of_which_something_went(self):
        cancelled(31)
        cancelled(32)
        done(91)

        prune()

        assert {(one["kind"], one["rows"]) for one in told()} == {("jobs", 2), ("queue_items", 1)}

    def test_a_run_in_which_nothing_went_writes_none(self):
        prune()

        assert told() == []
        assert Pruning.objects.get(kind="jobs").last_run_at is not None

    def test_it_remembers_what_went_and_how_far(self):
        cancelled(40)
        cancelled(31)

        prune(batch=1)

        state = Pruning.objects.get(kind="jobs")
        assert (state.total, state.last_count, state.waiting, state.problem) == (2, 2, 0, "")
        assert days_ago(31.1) < state.until < days_ago(30.9)


@pytest.mark.django_db
class TestKills:
    def test_between_two_batches_the_next_run_goes_on_and_writes_down_both(self):
        for days in (33, 32, 31):
            cancelled(days)
        assert one_batch(limit=1) == 1

        prune()

        assert not Job.objects.exists()
        assert [one["rows"] for one in told()] == [3]

    def test_within_a_batch_nothing_of_it_has_happened(self):
        cancelled(31)

        with suppress(Killed), transaction.atomic():
            one_batch()
            raise Killed

        assert Job.objects.count() == 1
        assert not Pruning.objects.filter(waiting__gt=0).exists()

    def test_at_the_end_what_went_is_written_down_by_the_next_run(self):
        cancelled(31)
        one_batch()

        with suppress(Killed), transaction.atomic():
            services.end_run(JOBS, actor=RETENTION, seconds=1)
            raise Killed
        prune()

        assert [one["rows"] for one in told()] == [1]

    def test_between_row_and_file_the_sweep_removes_the_file(self):
        execution = completed(31)
        kept = make.artefact(execution)

        with suppress(Killed), transaction.atomic():
            one_batch()
            raise Killed

        assert type(kept).objects.filter(pk=kept.pk).exists()


@pytest.mark.django_db
def test_a_run_whose_time_is_over_says_that_it_is_behind():
    cancelled(31)

    assert prune(seconds=0)["jobs"] == 0

    assert Pruning.objects.get(kind="jobs").is_behind
    assert prune()["jobs"] == 1
    assert not Pruning.objects.get(kind="jobs").is_behind


@pytest.mark.django_db
def test_small_batches_come_to_the_same_as_large_ones():
    for _ in range(5):
        completed(31)
        done(91)

    gone = prune(batch=2)

    assert (gone["jobs"], gone["queue_items"]) == (5, 5)
    assert not Execution.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    @pytest.fixture(autouse=True)
    def not_the_first_run(self):
        prune()

    def test_the_second_leaves_a_kind_to_the_first(self, new_session):
        cancelled(31)
        first = new_session()
        first.begin()
        first.run(one_batch)

        assert one_batch() == 0

        first.commit()
        assert not Job.objects.exists()

    def test_rows_that_somebody_holds_are_left_to_the_next_run(self, new_session):
        held, free = cancelled(31), cancelled(31)
        item = done(91)
        holder = new_session()
        holder.begin()
        holder.run(lambda: list(Job.objects.select_for_update().filter(pk=held.pk)))
        holder.run(lambda: list(QueueItem.objects.select_for_update().filter(pk=item.pk)))

        gone = prune()
        holder.commit()

        assert (gone["jobs"], gone["queue_items"]) == (1, 0)
        assert prune()["jobs"] == 1
        assert not Job.objects.filter(pk=free.pk).exists()

    def test_a_job_that_is_retried_in_this_moment_stays(self, new_session):
        original = cancelled(31)
        other = new_session()
        other.begin()
        other.run(lambda: jobs_retry(original))

        prune()
        other.commit()

        assert Job.objects.filter(retry_of=original.pk).exists()
        assert Job.objects.filter(pk=original.pk).exists()

    def test_a_live_system_is_sound_afterwards(self):
        trigger = make.trigger()
        made = firing(50, trigger, status="fired", code="", reason="", jobs_made=1)
        job = cancelled(40, trigger.process)
        Job.objects.filter(pk=job.pk).update(trigger_id=trigger.pk, firing_id=made.pk, created_at=days_ago(50))
        keep(firings=100)
        completed(31)
        make.running_job()
        make.taken()
        done(91)

        prune()

        assert [str(finding) for finding in check_live() if not finding.holds] == []


def jobs_retry(job):

    return jobs.retry_job(Job.objects.get(pk=job.pk), actor=make.SYSTEM)


@pytest.mark.django_db
class TestCommand:
    def run(self, *options):
        answer = StringIO()
        call_command("prune", *options, stdout=answer)
        return answer.getvalue()

    def test_a_dry_run_says_what_would_go_and_lets_nothing_go(self):
        cancelled(31)

        answer = self.run("--dry-run")

        assert "Jobs and their executions: 1 would go" in answer
        assert "Items of queues and their leases: 0 would go" in answer
        assert Job.objects.count() == 1

    def test_it_says_what_went(self):
        cancelled(31)

        assert "Jobs and their executions: 1 gone" in self.run()
        assert not Job.objects.exists()

    def test_it_says_that_retention_is_off(self):
        cancelled(31)
        Setting.objects.create(name="retention.retention_enabled", type="bool", value=False, set_by="test")

        assert "Nothing goes" in self.run()
        assert Job.objects.count() == 1


SMALL_STEPS = "import django; django.setup(); from apps.retention.tasks import prune; prune(batch=10)"


@pytest.mark.django_db(transaction=True)
def test_a_kill_leaves_whole_rows_and_the_next_run_goes_on_and_writes_all_of_it_down():
    queue = make.queue()
    make.items(queue, *range(1000))
    QueueItem.objects.update(status="done", taken_at=days_ago(92), finished_at=days_ago(91))
    command = [sys.executable, "-c", SMALL_STEPS]

    with subprocess.Popen(command, cwd=roles.CHECKOUT, env=roles.environment(DJANGO_SETTINGS_MODULE=SETTINGS)) as run:
        eventually(lambda: QueueItem.objects.count() < 1000)
        run.kill()
    left = QueueItem.objects.count()
    prune()

    assert run.returncode == -signal.SIGKILL
    assert 0 < left < 1000
    assert not QueueItem.objects.exists()
    assert [(one["kind"], one["rows"]) for one in told()] == [("queue_items", 1000)]
    assert [str(finding) for finding in check_live() if not finding.holds] == []
