"""Writing events down: one, many at once, and within somebody else's statement."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core import ids
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.core.streams import Epoch
from apps.events import services
from apps.events.models import Event
from apps.processes.models import Process
from apps.tenancy.models import Folder, Tenant
from tests import make

SWEEP = Actor.system("sweep")


def thing(**fields):
    row = {"pk": uuid4(), "tenant_id": uuid4(), "_meta": SimpleNamespace(model_name="thing")}
    return SimpleNamespace(**row | fields)


def entries(count):
    """Rows that have a key and a tenant; which table they are of does not matter here."""
    return [
        AuditEntry.objects.create(
            tenant_id=uuid4(), actor_kind="system", actor_id="test", actor_name="test", action=f"thing{number}.made"
        )
        for number in range(count)
    ]


@pytest.mark.django_db
class TestOne:
    def test_it_names_its_subject_and_the_place_of_that(self):
        subject = thing(folder_id=uuid4())

        services.record("thing.made", subject, data={"why": "because"}, actor=SWEEP)

        event = Event.objects.get()
        assert (event.type, event.subject_kind, event.subject_id) == ("thing.made", "thing", subject.pk)
        assert (event.tenant_id, event.folder_id) == (subject.tenant_id, subject.folder_id)
        assert (event.data, event.actor_kind, event.actor_id) == ({"why": "because"}, "system", "sweep")

    def test_a_subject_without_a_folder_has_an_event_without_one(self):
        services.record("thing.made", thing())

        event = Event.objects.get()
        assert (event.folder_id, event.data, event.actor_kind) == (None, {}, "")

    def test_its_time_is_the_databases(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            (before,) = cursor.fetchone()

        services.record("thing.made", thing())

        assert before <= Event.objects.get().ts

    def test_its_data_may_hold_ids_and_times(self):
        identity, moment = uuid4(), datetime(2026, 11, 21, 12, tzinfo=UTC)

        services.record("thing.made", thing(), data={"id": identity, "at": moment})

        assert Event.objects.get().data == {"id": str(identity), "at": "2026-11-21T12:00:00Z"}

    def test_it_costs_one_statement(self, django_assert_num_queries):
        with django_assert_num_queries(1):
            services.record("thing.made", thing())

    def test_its_envelope_is_what_readers_are_given(self):
        subject = thing()
        services.record("thing.made", subject, data={"n": 1})
        event = Event.objects.get()

        assert event.envelope() == {
            "id": event.id,
            "type": "thing.made",
            "ts": event.ts,
            "tenant_id": subject.tenant_id,
            "folder_id": None,
            "subject": {"kind": "thing", "id": subject.pk},
            "data": {"n": 1},
        }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [services.record, services.record_each])
def test_outside_a_transaction_it_is_refused(act):
    with pytest.raises(TransactionManagementError):
        act("thing.made", AuditEntry.objects.all())


@pytest.mark.django_db
class TestEach:
    def test_every_row_gets_its_event_by_one_statement(self, django_assert_num_queries):
        rows = entries(3)
        subjects = AuditEntry.objects.filter(pk__in=[row.pk for row in rows])

        with django_assert_num_queries(1):
            count = services.record_each("auditentry.seen", subjects, data={"a": 1}, actor=SWEEP)

        events = Event.objects.all()
        assert count == 3
        assert {(event.subject_id, event.tenant_id) for event in events} == {(row.pk, row.tenant_id) for row in rows}
        assert {(event.subject_kind, event.actor_id, event.data["a"]) for event in events} == {
            ("auditentry", "sweep", 1)
        }

    def test_only_the_rows_asked_for_get_one(self):
        rows = entries(3)

        services.record_each("auditentry.seen", AuditEntry.objects.filter(action="thing1.made"))

        assert [event.subject_id for event in Event.objects.all()] == [rows[1].pk]

    def test_they_are_numbered_in_the_order_asked_for(self):
        rows = entries(5)

        services.record_each("auditentry.seen", AuditEntry.objects.order_by("-seq"))

        assert [event.subject_id for event in Event.objects.order_by("seq")] == [row.pk for row in reversed(rows)]

    def test_their_keys_are_as_good_as_those_made_one_by_one(self):
        entries(50)

        services.record_each("auditentry.seen", AuditEntry.objects.all())

        keys = list(Event.objects.values_list("id", flat=True))
        assert len(set(keys)) == 50
        assert {(key.version, key.variant) for key in keys} == {(7, "specified in RFC 4122")}
        assert max(abs((ids.made_at(key) - timezone.now()).total_seconds()) for key in keys) < 60

    def test_no_rows_make_no_events(self):
        assert services.record_each("auditentry.seen", AuditEntry.objects.none()) == 0
        assert not Event.objects.exists()


@pytest.mark.django_db
class TestTheTenantAndTheFolder:
    def test_those_of_a_row_in_a_folder_are_its_own(self):
        process = make.process()

        services.record_each("process.seen", Process.objects.filter(pk=process.pk))

        event = Event.objects.get(type="process.seen")
        assert (event.tenant_id, event.folder_id) == (process.tenant_id, process.folder_id)

    def test_a_row_of_a_tenant_alone_has_no_folder(self):
        folder = make.folder()

        services.record_each("folder.seen", Folder.objects.filter(pk=folder.pk))

        event = Event.objects.get(type="folder.seen")
        assert (event.tenant_id, event.folder_id) == (folder.tenant_id, None)

    def test_a_tenant_is_in_itself(self):
        tenant = make.tenant()

        services.record_each("tenant.seen", Tenant.objects.filter(pk=tenant.pk))

        event = Event.objects.get(type="tenant.seen")
        assert (event.tenant_id, event.subject_id, event.subject_kind) == (tenant.pk, tenant.pk, "tenant")


@pytest.mark.django_db
class TestWithinAnotherStatement:
    def test_the_rows_a_statement_changed_tell_of_it_in_the_same_round_trip(self, django_assert_num_queries):
        told = services.insert_sql(
            "permission.renamed",
            kind="permission",
            source="moved",
            subject="moved.subject",
            tenant="moved.tenant",
            folder="NULL::uuid",
            data="jsonb_build_object('codename', moved.codename)",
            actor_kind="'system'",
            actor_id="%s",
        )
        tenant = uuid4()

        with django_assert_num_queries(1), connection.cursor() as cursor:
            cursor.execute(
                "WITH moved AS (UPDATE auth_permission SET name = %s WHERE codename = 'view_event' "
                f"RETURNING codename, gen_random_uuid() AS subject, %s::uuid AS tenant), told AS ({told}) "
                "SELECT codename FROM moved",
                ["Can look at events", tenant, "sweep"],
            )
            assert cursor.fetchall() == [("view_event",)]

        event = Event.objects.get()
        assert Permission.objects.get(codename="view_event").name == "Can look at events"
        assert (event.type, event.tenant_id, event.data) == ("permission.renamed", tenant, {"codename": "view_event"})
        assert (event.actor_kind, event.actor_id) == ("system", "sweep")

    @pytest.mark.parametrize(("event_type", "kind"), [("it's", "job"), ("job.made", "job; drop"), ("", "job")])
    def test_a_name_that_would_break_out_of_the_statement_is_refused(self, event_type, kind):
        with pytest.raises(ValueError, match="cannot be part of a statement"):
            services.insert_sql(event_type, kind=kind, source="moved")


@pytest.mark.django_db
def test_the_history_of_one_row_is_its_own_newest_first():
    subject = thing(_meta=AuditEntry._meta)
    services.record("first.made", subject)
    services.record("other.made", thing())
    services.record("second.made", subject)

    history = Event.objects.about(subject)

    assert [event.type for event in history] == ["second.made", "first.made"]


@pytest.mark.django_db(transaction=True)
def test_an_event_shares_the_fate_of_its_transaction():
    @transaction.atomic
    def fail():
        services.record("thing.made", thing())
        raise Invalid("no")

    with pytest.raises(Invalid):
        fail()

    assert services.read_after(None, limit=10, epoch=Epoch())[0] == []
