"""What the database does with a stream: partitions come and go, rows stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, ProgrammingError, connection, models, transaction
from django.db.migrations.state import ModelState, ProjectState
from django.test.utils import isolate_apps
from django.utils import timezone

from apps.audit.models import AuditEntry, AuditSeal
from apps.core import ids, streams
from apps.core.streams import Period, Stream
from apps.core.streams.operations import CreatePartitionedModel, MakeAppendOnly
from apps.core.streams.periods import Partition, default_of
from apps.events.models import Event
from tests.streams_fixtures import tampering

TABLES = ["events_event", "audit_auditentry", "audit_auditseal"]


def event(moment=None, **fields):
    """An event whose id was made at ``moment``."""
    identity = ids.uuid7() if moment is None else UUID(int=ids.first_id_at(moment).int + uuid4().int % 2**62)
    return Event.objects.create(id=identity, type="thing.made", tenant_id=uuid4(), subject_id=uuid4(), **fields)


def entry():
    return AuditEntry.objects.create(actor_kind="system", actor_id="test", actor_name="test", action="thing.made")


def seal():
    return AuditSeal.objects.create(
        number=1, count=0, previous=b"", members=b"", root=b"", hash=b"", last_xid=0, last_seq=0
    )


def partition_of(row):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {row._meta.db_table} WHERE id = %s", [row.pk])
        return cursor.fetchone()[0]


def execute(statement, *values):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values or None)


@pytest.mark.django_db
class TestAppendOnly:
    @pytest.mark.parametrize("make", [event, entry, seal])
    def test_an_update_is_refused(self, make):
        row = make()

        with pytest.raises(IntegrityError, match="UPDATE refused"):
            execute(f"UPDATE {row._meta.db_table} SET id = id")

    @pytest.mark.parametrize("make", [event, entry, seal])
    def test_a_delete_is_refused(self, make):
        row = make()

        with pytest.raises(IntegrityError, match="DELETE refused"):
            execute(f"DELETE FROM {row._meta.db_table}")

    @pytest.mark.parametrize("make", [event, entry])
    @pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
    def test_a_partition_refuses_what_its_table_refuses(self, make, change):
        row = make()

        with pytest.raises(IntegrityError, match="refused"):
            execute(change.format(partition_of(row)))

    @pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
    def test_the_default_partition_refuses_what_its_table_refuses(self, change):
        row = event(moment=datetime(2199, 1, 1, tzinfo=UTC))

        with pytest.raises(IntegrityError, match="refused"):
            execute(change.format(partition_of(row)))

    @pytest.mark.parametrize("table", [*TABLES, "events_event_default", "audit_auditentry_default"])
    def test_the_privilege_to_truncate_is_taken_away(self, table):
        with pytest.raises(ProgrammingError, match="permission denied"):
            execute(f"TRUNCATE {table}")

    @pytest.mark.parametrize("table", [*TABLES, "events_event_default", "audit_auditentry_default"])
    def test_truncating_is_refused_to_the_owner_who_takes_the_privilege_back(self, table):
        execute(f"GRANT TRUNCATE ON {table} TO CURRENT_USER")

        with pytest.raises(IntegrityError, match="TRUNCATE refused"):
            execute(f"TRUNCATE {table}")

    @pytest.mark.parametrize("make", [event, entry])
    def test_a_dated_partition_cannot_be_truncated(self, make):
        partition = partition_of(make())
        execute(f"GRANT TRUNCATE ON {partition} TO CURRENT_USER")

        with pytest.raises(IntegrityError, match="TRUNCATE refused"):
            execute(f"TRUNCATE {partition}")

    def test_a_partition_made_later_refuses_as_well(self):
        moment = timezone.now() + timedelta(days=800)
        streams.ensure_partitions(Event, now=moment)
        partition = partition_of(event(moment=moment))
        execute(f"GRANT TRUNCATE ON {partition} TO CURRENT_USER")

        with pytest.raises(IntegrityError, match="TRUNCATE refused"):
            execute(f"TRUNCATE {partition}")
        with pytest.raises(IntegrityError, match="DELETE refused"):
            execute(f"DELETE FROM {partition}")

    def test_a_session_that_plays_a_replica_is_refused_as_well(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), count(*) FILTER (WHERE tgenabled = 'A') FROM pg_trigger "
                "WHERE tgname LIKE 'stream_no_%'"
            )
            triggers, always = cursor.fetchone()

        assert triggers == always > 0

    def test_the_tests_own_opening_closes_again(self):
        row = event()
        with tampering("events_event"):
            Event.objects.filter(pk=row.pk).update(type="thing.changed")

        with pytest.raises(IntegrityError, match="UPDATE refused"):
            execute("UPDATE events_event SET id = id")


@pytest.mark.django_db(transaction=True)
def test_a_flush_leaves_an_empty_stream_that_refuses_as_before():
    event()
    call_command("flush", interactive=False, verbosity=0)
    assert not Event.objects.exists()

    event()

    with pytest.raises(IntegrityError, match="DELETE refused"):
        execute("DELETE FROM events_event")
    with pytest.raises(ProgrammingError, match="permission denied"):
        execute("TRUNCATE events_event")


@pytest.mark.django_db
class TestPartitions:
    @pytest.mark.parametrize("model", [Event, AuditEntry])
    def test_there_is_one_for_now_and_two_for_later(self, model):
        wanted = Partition.upcoming(model._meta.db_table, Period.MONTH, timezone.now(), ahead=2)

        assert set(wanted) <= set(streams.partitions_of(model))

    def test_a_row_goes_to_the_partition_of_its_moment(self):
        row = event()

        assert partition_of(row) == Partition.holding("events_event", Period.MONTH, ids.made_at(row.pk).date()).name

    def test_a_row_without_a_partition_of_its_own_is_kept_all_the_same(self):
        row = event(moment=datetime(2199, 1, 1, tzinfo=UTC))

        assert partition_of(row) == default_of("events_event")

    def test_they_are_made_in_advance(self):
        made = streams.ensure_partitions(Event, now=datetime(2031, 11, 5, tzinfo=UTC))

        assert made == ["events_event_p203111", "events_event_p203112", "events_event_p203201"]

    def test_making_them_again_makes_nothing(self):
        moment = datetime(2031, 11, 5, tzinfo=UTC)
        streams.ensure_partitions(now=moment)

        assert streams.ensure_partitions(now=moment) == []

    def test_a_new_one_has_the_indexes_of_its_table(self):
        streams.ensure_partitions(Event, now=datetime(2031, 11, 5, tzinfo=UTC))

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid "
                "WHERE indrelid = 'events_event_p203111'::regclass"
            )
            assert cursor.fetchone() == (4,)

    def test_the_rows_of_the_default_one_are_brought_home_unchanged(self):
        moment = datetime(2031, 11, 5, tzinfo=UTC)
        rows = [event(moment=moment), event(moment=datetime(2001, 5, 5, tzinfo=UTC))]
        before = list(Event.objects.order_by("seq").values())

        made = streams.ensure_partitions(Event, now=moment)

        assert "events_event_p200105" in made
        assert list(Event.objects.order_by("seq").values()) == before
        assert [partition_of(row) for row in rows] == ["events_event_p203111", "events_event_p200105"]

    def test_rows_of_a_time_yet_to_come_wait_in_the_default_one(self):
        stray, waiting = event(moment=datetime(2031, 11, 5, tzinfo=UTC)), event(moment=datetime(9000, 1, 1, tzinfo=UTC))

        streams.ensure_partitions(Event, now=datetime(2031, 11, 5, tzinfo=UTC))

        assert partition_of(stray) == "events_event_p203111"
        assert partition_of(waiting) == "events_event_default"

    def test_the_default_one_refuses_changes_after_it_was_made_anew(self):
        moment = datetime(2031, 11, 5, tzinfo=UTC)
        event(moment=moment)
        streams.ensure_partitions(Event, now=moment)
        event(moment=datetime(9000, 1, 1, tzinfo=UTC))

        with pytest.raises(IntegrityError, match="DELETE refused"):
            execute("DELETE FROM events_event_default")
        with pytest.raises(ProgrammingError, match="permission denied"):
            execute("TRUNCATE events_event_default")

    def test_old_ones_are_dropped_whole(self):
        old, young = event(moment=datetime(2001, 5, 5, tzinfo=UTC)), event()
        streams.ensure_partitions(Event)

        dropped = streams.drop_partitions_before(Event, datetime(2001, 6, 1, tzinfo=UTC))

        assert dropped == ["events_event_p200105"]
        assert list(Event.objects.filter(pk__in=[old.pk, young.pk])) == [young]

    def test_one_that_reaches_beyond_the_moment_stays(self):
        event(moment=datetime(2001, 5, 5, tzinfo=UTC))
        streams.ensure_partitions(Event)

        dropped = streams.drop_partitions_before(Event, datetime(2001, 5, 31, 23, 59, tzinfo=UTC))

        assert dropped == []

    def test_the_command_names_what_it_made(self):
        last, answer = streams.partitions_of(Event)[-1], StringIO()
        execute(f'DROP TABLE "{last.name}"')

        call_command("ensure_partitions", stdout=answer)

        assert answer.getvalue() == f"{last.name}\n"


def test_two_who_make_partitions_at_once_do_no_harm(new_session):
    last = streams.partitions_of(Event)[-1]
    execute(f'DROP TABLE "{last.name}"')
    first, second = new_session(), new_session()

    answers = [one.start(streams.ensure_partitions, Event) for one in (first, second)]
    made = [answer.result(timeout=30) for answer in answers]

    assert sorted(made) == [[], [last.name]]


def test_making_a_partition_does_not_wait_for_writers(new_session):
    last, writer = streams.partitions_of(Event)[-1], new_session()
    execute(f'DROP TABLE "{last.name}"')
    writer.begin()
    writer.run(event)

    made = streams.ensure_partitions(Event)
    writer.commit()

    assert made == [last.name]


@pytest.mark.django_db
class TestMigrationOperation:
    @pytest.fixture(autouse=True)
    def _apart_from_the_real_models(self):
        with isolate_apps("apps.core"):
            yield

    def model(self, **attributes):
        fields = {"text": models.TextField(), "__module__": __name__, "Meta": type("Meta", (), {"app_label": "core"})}
        return type("Line", (Stream,), fields | attributes)

    def create(self, model, **options):
        state = ModelState.from_model(model)
        operation = CreatePartitionedModel(state.name, list(state.fields.items()), state.options, **options)
        before = ProjectState()
        after = before.clone()
        operation.state_forwards("core", after)
        with connection.schema_editor() as editor:
            operation.database_forwards("core", editor, before, after)
        return operation, before, after

    def test_a_daily_stream_gets_daily_partitions(self):
        line = self.model(PARTITION_BY=Period.DAY)

        self.create(line, every="day")

        assert streams.partitions_of(line) == Partition.upcoming("core_line", Period.DAY, timezone.now(), ahead=2)

    def test_rows_may_be_changed_where_the_model_says_so_but_not_truncated(self):
        line = self.model(APPEND_ONLY=False)
        self.create(line, every="month", append_only=False)
        row = line.objects.create(text="old")

        line.objects.filter(pk=row.pk).update(text="new")

        assert line.objects.get().text == "new"
        with pytest.raises(ProgrammingError, match="permission denied"):
            execute("TRUNCATE core_line")

    def test_rows_count_up_and_carry_their_transaction(self):
        line = self.model()
        self.create(line, every="month")

        first, second = line.objects.create(text="a"), line.objects.create(text="b")

        assert (first.seq, second.seq) == (1, 2)
        assert first.xid == second.xid > 0

    def test_it_is_undone_without_a_trace(self):
        operation, before, after = self.create(self.model(), every="month")

        with connection.schema_editor() as editor:
            operation.database_backwards("core", editor, after, before)

        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'core_line%%'", [])
            assert cursor.fetchone() == (0,)

    def test_it_says_how_it_was_made(self):
        operation, *_ = self.create(self.model(), every="day", append_only=False)

        name, args, kwargs = operation.deconstruct()

        assert name == "CreatePartitionedModel"
        assert (args, kwargs["every"], kwargs["append_only"]) == ([], "day", False)
        assert operation.describe() == "Create partitioned model Line"

    def test_a_plain_table_can_be_made_append_only_and_be_opened_again(self):
        self.create(self.model(), every="month")
        state = ProjectState.from_apps(apps)
        operation = MakeAppendOnly("AuditSeal")
        seal()

        with connection.schema_editor() as editor:
            operation.database_backwards("audit", editor, state, state)
        execute("UPDATE audit_auditseal SET number = 2")
        with connection.schema_editor() as editor:
            operation.database_forwards("audit", editor, state, state)

        with pytest.raises(IntegrityError, match="UPDATE refused"):
            execute("UPDATE audit_auditseal SET number = 3")
