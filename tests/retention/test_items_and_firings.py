"""Which items and firings go, and which stay because something unfinished needs them."""

import pytest

from apps.queues import services as queues
from apps.queues.models import ItemFile, ItemLease, QueueItem
from apps.retention.tasks import prune
from apps.triggers.models import Firing
from tests import make
from tests.retention.aged import cancelled, days_ago, done, failed, firing, keep

pytestmark = pytest.mark.django_db


def items():
    return set(QueueItem.objects.values_list("pk", flat=True))


class TestItems:
    def test_one_goes_with_its_leases_and_files_once_it_was_over_too_long_ago(self):
        old, young = done(91), done(89)
        ItemFile.objects.create(
            tenant=old.tenant, item=old, name="a", size_bytes=1, sha256="0" * 64, storage_name="nowhere"
        )

        assert prune()["queue_items"] == 1
        assert items() == {young.pk}
        assert list(ItemLease.objects.values_list("item_id", flat=True)) == [young.pk]
        assert not ItemFile.objects.exists()

    def test_what_is_waiting_or_worked_on_stays(self):
        waiting, lease = make.item(), make.taken()
        QueueItem.objects.update(created_at=days_ago(400), available_at=days_ago(400))

        prune()

        assert items() == {waiting.pk, lease.item_id}

    def test_all_tries_stay_while_their_lineage_goes_on(self):
        queue = make.queue(max_attempts=3, backoff_base=0)
        first = failed(200, queue)

        prune()

        assert items() == {first.pk, QueueItem.objects.get(retry_of=first).pk}

    def test_all_tries_go_once_the_last_was_over_too_long_ago(self):
        queue = make.queue(max_attempts=2, backoff_base=0, backoff_jitter=False)
        first = failed(200, queue)
        QueueItem.objects.filter(retry_of=first).update(
            status="failed", error_type="application", finished_at=days_ago(91)
        )

        assert prune()["queue_items"] == 2

    def test_a_queue_says_how_long_its_own_stay(self):
        short, long = make.queue(retention_days=2), make.queue(retention_days=300)
        done(3, short)
        kept = done(299, long)

        prune()

        assert items() == {kept.pk}

    def test_a_tenant_says_how_long_its_own_stay(self):
        mine = make.tenant()
        keep(mine, queue_items=5)
        done(6, make.queue(make.folder(mine)))
        kept = done(6)

        prune()

        assert items() == {kept.pk}

    def test_one_that_was_deleted_before_anybody_took_it_goes_too(self):
        item, waiting = make.item(), make.item()
        queues.delete_item(item, actor=make.SYSTEM)
        QueueItem.objects.filter(pk=item.pk).update(deleted_at=days_ago(91))

        assert prune()["queue_items"] == 1
        assert items() == {waiting.pk}

    def test_a_reference_is_free_again(self):
        queue = make.queue(unique_references="always")
        make.item(queue, reference="invoice 1")
        queues.finish_item(make.taken(queue), actor=make.SYSTEM, report=queues.Report("done"))
        QueueItem.objects.update(finished_at=days_ago(91))

        prune()

        assert make.item(queue, reference="invoice 1").pk in items()


class TestFirings:
    def test_one_goes_once_it_was_decided_too_long_ago(self):
        old, young = firing(31), firing(29)

        assert prune()["firings"] == 1
        assert list(Firing.objects.all()) == [young]
        assert old.pk != young.pk

    def test_one_that_waits_to_make_its_job_stays(self):
        waiting = firing(50, status="fired", code="queued")

        prune()

        assert list(Firing.objects.all()) == [waiting]

    def test_one_whose_job_is_there_stays(self):
        trigger = make.trigger()
        made = firing(50, trigger, status="fired", code="", reason="", jobs_made=1)
        job = make.job(trigger.process)
        type(job).objects.filter(pk=job.pk).update(trigger_id=trigger.pk, firing_id=made.pk)

        prune()

        assert list(Firing.objects.all()) == [made]

    def test_one_goes_with_the_last_of_its_jobs(self):
        trigger = make.trigger()
        made = firing(50, trigger, status="fired", code="", reason="", jobs_made=1)
        job = cancelled(40, trigger.process)
        type(job).objects.filter(pk=job.pk).update(trigger_id=trigger.pk, firing_id=made.pk)

        gone = prune()

        assert (gone["jobs"], gone["firings"]) == (1, 1)

    def test_they_stay_no_shorter_than_the_jobs_of_their_process(self):
        trigger = make.trigger(make.process(retention_days=60))
        firing(61, trigger)
        kept = firing(59, trigger)

        prune()

        assert list(Firing.objects.all()) == [kept]
