"""Logs, steps, events, late results and the trail: they go by whole partitions."""

import uuid
import zlib

import pytest

from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.configuration import services as configuration
from apps.core import ids, streams
from apps.core.streams import upkeep
from apps.events.models import Event
from apps.jobs import services
from apps.jobs.models import Execution, LateResult, LogChunk, Span, logreading
from apps.jobs.models.invariants import check_live
from apps.jobs.models.logreading import Place
from apps.retention import services as retention
from apps.retention.models import KINDS as KINDS_BY_NAME
from apps.retention.models import Pruning
from apps.retention.tasks import prune
from tests import api, make
from tests.admin.visitors import superuser, text_of
from tests.jobs.reports import finish
from tests.retention.aged import RETENTION, age, days_ago, keep

pytestmark = pytest.mark.django_db(transaction=True)


def old(days):
    return ids.first_id_at(days_ago(days))


def late(days):
    LateResult.objects.create(id=old(days), tenant_id=uuid.uuid4(), lease_id=uuid.uuid4(), kind="late", outcome="lost")


def span(days):
    Span.objects.create(id=old(days), tenant_id=uuid.uuid4(), execution_id=old(days), span_id="x", name="x")


def event(days):
    facts = {"type": "thing.made", "subject_kind": "job", "subject_id": uuid.uuid4(), "tenant_id": uuid.uuid4()}
    Event.objects.create(id=old(days), ts=days_ago(days), **facts)


def entry(days):
    facts = {"actor_kind": "system", "actor_id": "test", "actor_name": "test", "action": "thing.made"}
    AuditEntry.objects.create(id=old(days), ts=days_ago(days), **facts)


KINDS = [
    pytest.param("spans", Span, span, 31.5, 29, id="steps"),
    pytest.param("late_results", LateResult, late, 62, 29, id="late results"),
    pytest.param("events", Event, event, 62, 29, id="events"),
    pytest.param("audit", AuditEntry, entry, 432, 399, id="audit"),
]


@pytest.mark.parametrize(("kind", "model", "make_row", "too_old", "young"), KINDS)
def test_what_is_too_old_goes_and_what_is_not_stays(kind, model, make_row, too_old, young):
    make_row(too_old)
    make_row(young)
    streams.ensure_partitions(model)

    prune()

    assert not model.objects.filter(pk__lt=old(young + 1)).exists()
    assert model.objects.filter(pk=model.objects.order_by("pk").first().pk, pk__gte=old(young + 0.1)).exists()
    assert Pruning.objects.get(kind=kind).until < days_ago(young)


def test_the_trail_is_whole_and_tells_of_it_after_its_oldest_has_gone():
    entry(432)
    entry(100)
    streams.ensure_partitions(AuditEntry)

    prune()

    assert audit.verify_seals(witnesses=audit.heads()).is_whole
    told = AuditEntry.objects.get(action="retention.pruned")
    assert told.after["kind"] == "audit"
    assert len(told.after["partitions"]) == 1


class TestLogs:
    """A log may go before its execution, or lose its beginning while that still runs."""

    @pytest.fixture
    def execution(self):
        """An execution that wrote one line long ago and one today."""
        execution = make.running_job()
        write(execution, line(1))
        LogChunk.objects.update(id=old(31.5))
        write(execution, line(2))
        streams.ensure_partitions(LogChunk)
        # Pieces are looked for from the time of the execution on, which its id carries.
        execution.pk = old(32)
        LogChunk.objects.update(execution_id=execution.pk)
        return execution

    def test_what_is_left_is_read_from_where_it_begins(self, execution):
        prune()

        page = logreading.page_after(execution, Place())

        assert [shown.message for shown in page.lines] == ["line 2"]
        assert page.next.robot == execution.log_length

    def test_there_is_no_way_further_back_than_what_is_left(self, execution):
        prune()

        last = logreading.last_page(execution)
        before = logreading.page_before(execution, last.previous)

        assert [shown.message for shown in last.lines] == ["line 2"]
        assert (before.lines, before.has_previous) == ([], False)

    def test_a_robot_goes_on_writing_behind_what_has_gone(self, execution):
        prune()

        assert LogChunk.read(execution.pk, "robot", 0, 10) == b""
        assert LogChunk.read(execution.pk, "robot", len(line(1)), 10) == line(2)[:10]


def line(number):
    return f'{{"t": "2026-01-31T10:00:{number:02}.000Z", "l": "INFO", "m": "line {number}"}}\n'.encode()


def write(execution, data):
    robot = make.acting(execution.robot)
    services.append_log(execution, actor=robot, offset=execution.log_length, data=data, crc32=zlib.crc32(data))
    execution.refresh_from_db()


def test_an_execution_whose_log_has_gone_says_so():
    execution = make.running_job()
    write(execution, line(1))
    finish(execution)
    age(execution.job, 5)
    Execution.objects.update(granted_at=days_ago(5))
    keep(logs=1)
    LogChunk.objects.update(id=old(3))
    streams.ensure_partitions(LogChunk)

    prune()

    execution.refresh_from_db()
    assert logreading.is_gone(execution)
    assert api.root().get(f"executions/{execution.pk}/log").json()["lines"] == []
    assert "no longer kept" in text_of(superuser().open(execution))
    assert [str(finding) for finding in check_live() if not finding.holds] == []


def test_nothing_goes_where_retention_is_switched_off():
    event(62)
    streams.ensure_partitions(Event)
    configuration.change_settings("retention", actor=make.SYSTEM, values={"retention_enabled": False})

    assert prune() == {}
    assert Event.objects.filter(pk__lt=old(60)).exists()


def test_partitions_that_somebody_else_dropped_meanwhile_are_no_trouble():
    event(62)
    streams.ensure_partitions(Event)
    [oldest, *_] = streams.partitions_of(Event)

    assert upkeep._drop(Event, oldest)
    assert not upkeep._drop(Event, oldest)


def test_what_was_noted_and_not_dropped_is_dropped_and_told_once():
    event(62)
    streams.ensure_partitions(Event)
    [oldest, *_] = streams.partitions_of(Event)
    retention.note_going(KINDS_BY_NAME["events"], actor=RETENTION, partitions=[oldest])

    prune()

    told = AuditEntry.objects.get(action="retention.pruned")
    assert told.after["partitions"] == [oldest.name]
    assert oldest not in streams.partitions_of(Event)
