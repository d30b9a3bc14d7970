"""Rows that move through states: along their table, one winner, and never back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Now

from apps.core.errors import Conflict
from apps.core.states import TransitionError
from apps.jobs.models import Job, JobStatus
from apps.tenancy.models import Tenant, TenantStatus
from tests import make

pytestmark = pytest.mark.django_db


def stored(row):
    return type(row)._base_manager.get(pk=row.pk)


def test_a_row_moves_along_its_table_and_takes_its_changes_along():
    tenant = make.tenant()

    tenant.move_to(TenantStatus.SUSPENDED, name="Closed")

    assert (tenant.status, tenant.name) == ("suspended", "Closed")
    assert (stored(tenant).status, stored(tenant).name) == ("suspended", "Closed")


def test_a_move_that_is_not_in_the_table_is_refused_and_changes_nothing():
    tenant = make.tenant("Open")

    with pytest.raises(TransitionError) as refused:
        tenant.move_to(TenantStatus.ACTIVE, name="Other")

    assert str(refused.value) == "Open is active, so it cannot become active."
    assert isinstance(refused.value, Conflict)
    assert refused.value.extra == {"current": "active"}
    assert tenant.name == stored(tenant).name == "Open"


def test_the_row_decides_and_not_what_we_believe_it_is():
    tenant = make.tenant()
    stale = Tenant.objects.get(pk=tenant.pk)
    tenant.move_to(TenantStatus.SUSPENDED)

    with pytest.raises(TransitionError, match="is suspended, so it cannot become suspended"):
        stale.move_to(TenantStatus.SUSPENDED)


def test_a_row_that_is_gone_is_said_to_be_gone():
    tenant = make.tenant("Open")
    tenant.pk = make.folder().pk

    with pytest.raises(TransitionError, match="Open is gone"):
        tenant.move_to(TenantStatus.SUSPENDED)


def test_what_the_database_computes_is_read_back():
    job = make.job()

    job.move_to(JobStatus.CANCELLED, finished_at=Now(), reason=Concat(Value("by-"), F("status")))

    assert job.finished_at == stored(job).finished_at
    assert job.reason == "by-pending"


def test_a_final_state_is_left_by_no_way():
    job = make.job()
    job.move_to(JobStatus.CANCELLED, finished_at=Now())

    assert job.is_final
    assert all(JobStatus.CANCELLED not in Job.sources_of(target) for target in JobStatus.values)


def test_final_states_are_those_that_nothing_leaves():
    assert set(Job.final_states()) == {"completed", "failed", "cancelled"}
    assert Tenant.final_states() == []


def test_jobs_in_many_states_move_only_from_where_they_may():
    process = make.process()
    waiting, ended = make.job(process), make.job(process)
    ended.move_to(JobStatus.CANCELLED, finished_at=Now())

    moved = Job.objects.filter(process=process).move_all_to(JobStatus.CANCELLED, finished_at=Now())

    assert moved == 1
    assert stored(waiting).status == "cancelled"


def test_locking_reads_what_others_have_written():
    tenant = make.tenant()
    Tenant.objects.filter(pk=tenant.pk).update(name="Written by another")

    tenant.lock()

    assert tenant.name == "Written by another"


@pytest.mark.django_db(transaction=True)
def test_of_two_that_move_one_row_at_once_one_wins():
    tenant = make.tenant()

    def suspend(_):
        try:
            Tenant.objects.get(pk=tenant.pk).move_to(TenantStatus.SUSPENDED)
        except TransitionError:
            return "refused"
        finally:
            connection.close()
        return "moved"

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(suspend, range(8)))

    assert answers == ["moved", *["refused"] * 7]


@pytest.mark.django_db(transaction=True)
def test_a_locked_row_is_waited_for(new_session):
    tenant = make.tenant()
    other = new_session()
    other.begin()
    other.run(lock_and_rename, tenant.pk)

    waiting = new_session().start(lock_and_read, tenant.pk)
    other.commit()

    assert waiting.result(timeout=30) == "Renamed under the lock"


def lock_and_rename(pk):
    tenant = Tenant.objects.get(pk=pk)
    tenant.lock()
    Tenant.objects.filter(pk=pk).update(name="Renamed under the lock")


def lock_and_read(pk):
    tenant = Tenant.objects.get(pk=pk)
    with transaction.atomic():
        tenant.lock()
    return tenant.name
