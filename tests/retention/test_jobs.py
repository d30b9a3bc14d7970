"""Which jobs go, with what hangs on them, and which stay because something unfinished needs them."""

import pytest

from apps.core import ids
from apps.core.actors import Actor
from apps.core.files.shelves import UPLOADS
from apps.events.models import Event
from apps.jobs import services
from apps.jobs.models import Artefact, BulkAction, BulkChange, Execution, Job, JobToken, LateResult
from apps.jobs.services.artefacts import ARTEFACTS
from apps.processes import services as processes
from apps.rbac import services as rbac
from apps.retention.tasks import prune
from tests import api, make
from tests.admin.visitors import superuser
from tests.jobs.reports import finish
from tests.retention.aged import age, cancelled, completed, days_ago, firing, keep

pytestmark = pytest.mark.django_db


def left():
    return set(Job.objects.values_list("pk", flat=True))


def files():
    folders = [folder for folder in ARTEFACTS.storage.listdir("")[0] if folder != UPLOADS]
    days = [f"{folder}/{day}" for folder in folders for day in ARTEFACTS.storage.listdir(folder)[0]]
    return {name for day in days for name in ARTEFACTS.storage.listdir(day)[1]}


def test_a_job_goes_once_it_ended_too_long_ago():
    old, young = cancelled(31), cancelled(29)

    assert prune()["jobs"] == 1
    assert left() == {young.pk}
    assert old.pk not in left()


def test_what_has_not_ended_stays_however_old_it_is():
    waiting, running = make.job(), make.running_job()
    Job.objects.update(created_at=days_ago(400), available_at=days_ago(400))

    prune()

    assert left() == {waiting.pk, running.job_id}


def test_its_executions_tokens_and_files_go_with_it(django_capture_on_commit_callbacks):
    execution = make.running_job()
    before = files()
    make.artefact(execution)
    services.start_with_token(execution, actor=make.acting(execution.robot))
    finish(execution)
    age(execution.job, 31)
    assert len(files() - before) == 1

    with django_capture_on_commit_callbacks(execute=True):
        prune()

    assert left() == set()
    assert [model for model in (Execution, JobToken, Artefact) if model.objects.exists()] == []
    assert files() <= before


def test_what_single_people_were_let_into_goes_with_it():
    job, person = cancelled(31), make.user()
    rbac.share_object(job, actor=make.SYSTEM, user=person, permission="jobs.view_job")

    prune()

    assert not person.userobjectpermission_set.exists()


def test_a_process_says_how_long_its_own_stay():
    short, long = make.process(), make.process()
    processes.update_process(short, actor=make.SYSTEM, retention_days=2)
    processes.update_process(long, actor=make.SYSTEM, retention_days=100)
    cancelled(3, short)
    kept = cancelled(99, long)

    prune()

    assert left() == {kept.pk}


def test_a_tenant_says_how_long_its_own_stay_and_a_process_goes_first():
    mine = make.tenant()
    keep(mine, jobs=60)
    stubborn = make.process(make.folder(mine))
    processes.update_process(stubborn, actor=make.SYSTEM, retention_days=10)
    cancelled(20, stubborn)
    kept, other = cancelled(40, make.process(make.folder(mine))), cancelled(40)

    prune()

    assert left() == {kept.pk}
    assert other.pk not in left()


class TestChains:
    def test_a_job_stays_while_it_is_being_retried(self):
        original = cancelled(50)
        again = services.retry_job(original, actor=make.SYSTEM)

        prune()

        assert left() == {original.pk, again.pk}

    def test_a_chain_of_retries_goes_as_a_whole_once_its_last_ended_long_ago(self):
        first = cancelled(90)
        second = services.retry_job(first, actor=make.SYSTEM)
        services.cancel_job(second, actor=make.SYSTEM)
        third = services.retry_job(age(second, 60), actor=make.SYSTEM)
        services.cancel_job(third, actor=make.SYSTEM)
        age(third, 31)

        assert prune()["jobs"] == 3

    def test_a_parent_stays_while_its_child_goes_on(self):
        parent, child = cancelled(50), make.job()
        Job.objects.filter(pk=child.pk).update(tenant=parent.tenant_id, process=parent.process_id, parent=parent)
        Job.objects.filter(pk=child.pk).update(
            folder=parent.folder_id, package_version=parent.package_version_id, depth=1
        )

        prune()

        assert left() == {parent.pk, child.pk}

    def test_a_child_stays_while_its_parent_goes_on(self):
        parent = make.running_job()
        child = cancelled(50, parent.job.process)
        Job.objects.filter(pk=child.pk).update(parent=parent.job, depth=1)

        prune()

        assert left() == {parent.job_id, child.pk}

    def test_a_family_goes_once_all_of_it_ended_long_ago(self):
        parent = cancelled(50)
        child = cancelled(40, parent.process)
        Job.objects.filter(pk=child.pk).update(parent=parent, depth=1)

        assert prune()["jobs"] == 2


def test_it_stays_while_items_that_it_owned_are_not_settled():
    job = cancelled(31)
    item = make.item(make.queue(job.folder))
    type(item).objects.filter(pk=item.pk).update(reserved_for=job.pk)

    prune()

    assert left() == {job.pk}


class TestWhatNamesAJobThatIsGone:
    @pytest.fixture
    def gone(self):
        return completed(31)

    def test_the_job_and_its_executions_are_not_there(self, gone):
        job, root, visitor = gone.job, api.root(), superuser()
        prune()

        assert root.get(f"jobs/{gone.job_id}").status_code == 404
        assert root.get(f"jobs/{gone.job_id}/executions").status_code == 404
        assert root.get(f"executions/{gone.pk}").status_code == 404
        assert visitor.open(job).status_code == 404

    def test_an_item_keeps_its_id(self, gone):
        item = make.item(make.queue(gone.job.folder))
        type(item).objects.filter(pk=item.pk).update(job_id=gone.job_id)
        prune()

        assert api.root().get(f"queue-items/{item.pk}").json()["job_id"] == str(gone.job_id)
        assert superuser().open(item).status_code == 200

    def test_a_late_result_keeps_its_id(self, gone):
        late = LateResult.objects.create(
            tenant_id=gone.tenant_id, lease_id=gone.lease_id, job_id=gone.job_id, kind="late", outcome="completed"
        )
        prune()

        assert api.root().get(f"late-results/{late.pk}").json()["job_id"] == str(gone.job_id)

    def test_the_page_of_its_trigger_shows_the_firing(self, gone):
        trigger = make.trigger(gone.job.process)
        firing(20, trigger, status="fired", code="", reason="", jobs_made=1)
        prune()

        assert superuser().open(trigger).status_code == 200

    def test_its_history_stays_for_its_own_time(self, gone):
        prune()

        assert Event.objects.filter(subject_id=gone.job_id, type="job.completed").exists()


class TestFiles:
    def test_a_file_may_go_before_its_job(self, django_capture_on_commit_callbacks):
        execution = completed(5)
        old, young = aged_artefact(execution, 11), aged_artefact(execution, 9)
        keep(artefacts=10)

        with django_capture_on_commit_callbacks(execute=True):
            assert prune()["artefacts"] == 1

        assert list(Artefact.objects.all()) == [young]
        assert not ARTEFACTS.storage.exists(old.storage_name)

    def test_files_of_a_job_that_runs_stay(self):
        artefact = aged_artefact(make.running_job(), 50)

        prune()

        assert list(Artefact.objects.all()) == [artefact]


def aged_artefact(execution, days):
    made = make.artefact(execution)
    Artefact.objects.filter(pk=made.pk).update(id=ids.first_id_at(days_ago(days)))
    return Artefact.objects.get(name=made.name)


class TestBulkChanges:
    def test_one_that_is_over_goes_as_jobs_do(self):
        over, unfinished = asked_for(31), asked_for(40)
        BulkChange.objects.filter(pk=over).update(status="completed", finished_at=days_ago(31))

        assert prune()["bulk_changes"] == 1
        assert list(BulkChange.objects.values_list("pk", flat=True)) == [unfinished]


def asked_for(days):
    change = services.request_bulk_change(
        make.tenant(), actor=Actor.person(make.user(superuser=True)), action=BulkAction.CANCEL, filters={}
    )
    aged = ids.first_id_at(days_ago(days))
    BulkChange.objects.filter(pk=change.pk).update(id=aged)
    return aged
