"""What comes of triggers whose time has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db.models.functions import Now

from apps.audit.models import AuditEntry
from apps.events.models import Event
from apps.jobs.models import Job, JobStatus
from apps.processes import services as processes
from apps.tenancy.models import Brake, Tenant
from apps.triggers import services, tasks
from apps.triggers.models import Calendar, CalendarRule, Firing, Trigger
from apps.triggers.services import _outcomes
from tests import make
from tests.make import SYSTEM
from tests.triggers.firing import HOURLY, NOON, end, firings, hour, jobs_of, look, trigger_due

pytestmark = pytest.mark.django_db


class TestADueTime:
    def test_makes_a_job_and_leaves_a_row_and_moves_on(self):
        trigger = trigger_due(parameters={"customer": "{{ trigger }}"}, priority=7, name="Nightly")

        assert look() == 1

        [job] = jobs_of(trigger)
        [firing] = Firing.objects.all()
        assert (job.source, job.firing_id, job.priority, job.status) == ("trigger", firing.pk, 7, JobStatus.PENDING)
        assert job.parameters == {"customer": "Nightly"}
        assert job.created_by == "trigger Nightly"
        assert (firing.due_at, firing.status, firing.jobs_made) == (NOON, "fired", 1)
        trigger.refresh_from_db()
        assert (trigger.next_fire_at, trigger.last_fired_at) == (hour(1), NOON)

    def test_is_told_of_with_its_job(self):
        trigger = trigger_due()

        look()

        made = Event.objects.get(type="job.created")
        assert made.data == {
            "status": "pending", "reason": "", "process": str(trigger.process_id), "trigger": str(trigger.pk)
        }  # fmt: skip
        assert Event.objects.get(type="firing.fired").data["jobs"] == 1

    def test_makes_a_job_that_must_start_in_time_where_its_process_says_so(self):
        trigger = trigger_due(of=make.process(start_by=90))

        look()

        [job] = jobs_of(trigger)
        assert job.start_deadline - job.created_at == timedelta(seconds=90)

    def test_is_left_alone_before_it_comes(self):
        trigger = trigger_due(hour(1))

        assert look() == 0

        assert firings(trigger) == []

    def test_comes_once_however_often_one_looks(self):
        trigger = trigger_due()

        assert [look(), look(), look()] == [1, 0, 0]

        assert len(jobs_of(trigger)) == 1

    def test_may_start_its_job_a_little_later(self):
        now = datetime.now(UTC)
        trigger = trigger_due(now, jitter=600)

        look(now)

        assert now <= jobs_of(trigger)[0].available_at <= now + timedelta(seconds=600)

    def test_tells_the_job_when_it_was_due(self):
        trigger = trigger_due(parameters={"customer": "{{ due_at }}"}, misfire="fire_all")

        look(hour(0) + timedelta(minutes=5))

        assert jobs_of(trigger)[0].parameters == {"customer": "2040-01-02T12:00:00+00:00"}

    def test_of_a_trigger_that_is_off_or_deleted_never_comes(self):
        off, deleted = trigger_due(enabled=False), trigger_due()
        services.delete_trigger(deleted, actor=SYSTEM)

        assert look() == 0

        assert firings(off) == firings(deleted) == []

    def test_is_skipped_where_somebody_said_so_and_the_one_after_it_is_not(self):
        trigger = trigger_due()
        services.skip_next_time(trigger, actor=SYSTEM)

        look(hour(0))
        look(hour(1))

        assert firings(trigger) == [(0, "skipped", "skip_next"), (1, "fired", "")]


class TestWhatHoldsTriggers:
    def test_a_brake_on_the_folder_above_skips_its_time_and_says_why(self):
        inside = make.folder()
        trigger = trigger_due(of=make.process(inside))
        brake = Brake.objects.create(tenant=inside.tenant, folder=inside, reason="the bank is closed", set_by="test")

        look(hour(0))
        Brake.objects.filter(pk=brake.pk).update(lifted_at=Now())
        look(hour(1))

        assert firings(trigger) == [(0, "skipped", "paused"), (1, "fired", "")]
        assert "the bank is closed" in Firing.objects.earliest("due_at").reason

    @pytest.mark.parametrize("of_tenant", [True, False], ids=["the tenant", "everything"])
    def test_a_brake_on_more_holds_too(self, of_tenant):
        trigger = trigger_due()
        Brake.objects.create(tenant=trigger.tenant if of_tenant else None, reason="stop", set_by="test")

        look()

        assert firings(trigger) == [(0, "skipped", "paused")]

    @pytest.mark.parametrize("changes", [{"holds_triggers": False}, {"until": datetime(2020, 1, 1, tzinfo=UTC)}])
    def test_a_brake_on_jobs_alone_or_that_is_over_holds_none(self, changes):
        trigger = trigger_due()
        Brake.objects.create(tenant=trigger.tenant, reason="stop", set_by="test", **changes)

        look()

        assert firings(trigger) == [(0, "fired", "")]

    def test_a_brake_of_others_holds_none(self):
        trigger = trigger_due()
        Brake.objects.create(tenant=make.tenant(), reason="stop", set_by="test")

        look()

        assert firings(trigger) == [(0, "fired", "")]

    def test_a_suspended_tenant_holds_all_of_its_own(self):
        trigger = trigger_due()
        Tenant.objects.filter(pk=trigger.tenant_id).update(status="suspended")

        look()

        assert firings(trigger) == [(0, "skipped", "paused")]

    def test_a_calendar_is_silent_by_its_own_clock(self):
        process = make.process()
        calendar = Calendar.objects.create(
            tenant=process.tenant, folder=process.folder, name="Nights", time_zone="Asia/Tokyo"
        )
        CalendarRule.objects.create(
            tenant=process.tenant, calendar=calendar, kind="weekly", label="night", weekdays=[0], begins="21:00"
        )
        trigger = trigger_due(hour(-1), of=process, calendar=calendar, misfire_grace=86_400)  # noon is 21:00 in Tokyo

        look()

        assert firings(trigger) == [(-1, "fired", ""), (0, "skipped", "calendar")]
        assert Firing.objects.latest("due_at").reason == "The calendar “Nights” is silent then: night."


class TestJobsThatCannotBeMade:
    def test_fail_the_firing_with_the_reason_and_stop_nobody_else(self):
        failing, sound = trigger_due(), trigger_due()
        processes.disable_process(failing.process, actor=SYSTEM)

        look()

        assert firings(failing) == [(0, "failed", "process_disabled")]
        assert "is disabled" in Firing.objects.get(trigger=failing).reason
        assert firings(sound) == [(0, "fired", "")]

    def test_name_the_parameter_that_no_longer_fits(self):
        trigger = trigger_due(parameters={"amount": 3})
        Trigger.objects.filter(pk=trigger.pk).update(parameters={"amount": "three"})

        look()

        assert firings(trigger) == [(0, "failed", "invalid")]
        assert Firing.objects.get().reason.startswith("parameters.amount: ")

    def test_so_many_in_a_row_switch_the_trigger_off_and_say_so(self):
        trigger = trigger_due(most_failures=2)
        processes.disable_process(trigger.process, actor=SYSTEM)

        look(hour(0))
        look(hour(1))
        look(hour(2))

        assert firings(trigger) == [(0, "failed", "process_disabled"), (1, "failed", "process_disabled")]
        trigger.refresh_from_db()
        assert not trigger.enabled
        assert trigger.disabled_reason.startswith("Switched off after 2 failures in a row.")
        assert Event.objects.get(type="trigger.disabled").data["by_itself"]
        assert AuditEntry.objects.get(action="trigger.disabled").actor_kind == "system"

    def test_skipped_times_in_between_neither_count_nor_begin_the_count_anew(self):
        trigger = trigger_due(most_failures=2)
        processes.disable_process(trigger.process, actor=SYSTEM)
        look(hour(0))
        services.skip_next_time(trigger, actor=SYSTEM)

        look(hour(1))
        trigger.refresh_from_db()
        assert (trigger.failures, trigger.enabled) == (1, True)
        look(hour(2))

        assert [status for _, status, _ in firings(trigger)] == ["failed", "skipped", "failed"]
        trigger.refresh_from_db()
        assert (trigger.failures, trigger.enabled) == (2, False)

    def test_count_from_none_again_after_a_success(self):
        trigger = trigger_due(most_failures=2)
        processes.disable_process(trigger.process, actor=SYSTEM)
        look(hour(0))
        processes.enable_process(trigger.process, actor=SYSTEM)
        look(hour(1))
        trigger.refresh_from_db()

        assert (trigger.failures, trigger.enabled) == (0, True)


class TestABrokenTrigger:
    @pytest.mark.parametrize(
        "changes",
        [
            {"configuration": {"cron": "61 * * * *"}},
            {"configuration": {"every": "often"}},
            {"configuration": {}},
            {"configuration": []},
            {"configuration": 7},
            {"time_zone": "Mars/Olympus"},
        ],
    )
    def test_is_marked_and_stops_no_other(self, changes):
        broken, sound = trigger_due(hour(-1), misfire="skip"), trigger_due()
        Trigger.objects.filter(pk=broken.pk).update(**changes)

        look()
        look()

        assert firings(broken) == [(-1, "failed", "broken")]
        assert firings(sound) == [(0, "fired", "")]
        broken.refresh_from_db()
        assert broken.broken.startswith("It cannot work until it is changed: ")
        assert Event.objects.filter(type="trigger.broken", subject_id=broken.pk).count() == 1

    def test_works_again_once_it_is_changed(self):
        trigger = trigger_due()
        Trigger.objects.filter(pk=trigger.pk).update(configuration={"cron": "never"})
        look()

        services.update_trigger(trigger, actor=SYSTEM, configuration=HOURLY)

        trigger.refresh_from_db()
        assert trigger.broken == ""
        assert trigger.next_fire_at > datetime.now(UTC)

    def test_that_the_database_refuses_is_found_among_many(self, monkeypatch):
        first, refused, last = trigger_due(), trigger_due(), trigger_due()
        made = _outcomes.wanted_of
        monkeypatch.setattr(
            _outcomes, "wanted_of", lambda one, of, **how: _with_nul(made(one, of, **how), is_wanted=of == refused)
        )

        look()

        assert [firings(one)[-1][1] for one in (first, last)] == ["fired", "fired"]
        assert firings(refused) == [(0, "failed", "broken")]
        assert jobs_of(refused) == []


def _with_nul(triggered, *, is_wanted):
    """A wish whose parameters no JSON column takes, though they fit their schema."""
    triggered.wanted.parameters.update({"customer": "\x00"} if is_wanted else {})
    return triggered


class TestWaitingForAJobToEnd:
    def test_the_waiting_time_fires_once_what_went_on_has_ended(self):
        trigger = trigger_due(overlap="queue_one")
        look(hour(0))
        look(hour(1))

        assert services.release_waiting_firings(actor=SYSTEM) == 0
        assert firings(trigger) == [(0, "fired", ""), (1, "fired", "queued")]
        assert len(jobs_of(trigger)) == 1
        end(jobs_of(trigger)[0])
        assert services.release_waiting_firings(actor=SYSTEM) == 1
        assert services.release_waiting_firings(actor=SYSTEM) == 0

        assert firings(trigger) == [(0, "fired", ""), (1, "fired", "")]
        assert [job.firing_id for job in jobs_of(trigger)] == list(
            Firing.objects.order_by("due_at").values_list("pk", flat=True)
        )
        assert Firing.objects.latest("due_at").jobs_made == 1

    def test_at_most_one_waits(self):
        trigger = trigger_due(overlap="queue_one")

        for number in range(3):
            look(hour(number))

        assert firings(trigger) == [(0, "fired", ""), (1, "fired", "queued"), (2, "skipped", "overlap")]

    def test_a_trigger_that_was_switched_off_lets_it_go(self):
        trigger = trigger_due(overlap="queue_one")
        look(hour(0))
        look(hour(1))
        end(jobs_of(trigger)[0])
        services.disable_trigger(trigger, actor=SYSTEM, reason="enough")

        services.release_waiting_firings(actor=SYSTEM)

        assert firings(trigger)[-1] == (1, "skipped", "disabled")
        assert len(jobs_of(trigger)) == 1

    def test_a_brake_lets_it_wait_on(self):
        trigger = trigger_due(overlap="queue_one")
        look(hour(0))
        look(hour(1))
        end(jobs_of(trigger)[0])
        Brake.objects.create(tenant=trigger.tenant, reason="stop", set_by="test")

        assert services.release_waiting_firings(actor=SYSTEM) == 0

        assert firings(trigger)[-1] == (1, "fired", "queued")

    def test_a_job_that_cannot_be_made_then_fails_it(self):
        trigger = trigger_due(overlap="queue_one", most_failures=1)
        look(hour(0))
        look(hour(1))
        end(jobs_of(trigger)[0])
        processes.disable_process(trigger.process, actor=SYSTEM)

        services.release_waiting_firings(actor=SYSTEM)

        assert firings(trigger)[-1] == (1, "failed", "process_disabled")
        trigger.refresh_from_db()
        assert not trigger.enabled


def test_the_tick_looks_until_nothing_is_due():
    triggers = [make.trigger(configuration={"cron": "@yearly"}) for _ in range(3)]
    Trigger.objects.update(next_fire_at=datetime.now(UTC))

    assert tasks.fire_due() == 3

    assert [len(jobs_of(trigger)) for trigger in triggers] == [1, 1, 1]
    assert tasks.fire_due() == 0


def test_a_clock_that_is_put_back_fires_nothing_again():
    trigger = trigger_due()
    look(hour(0))

    look(hour(-1))
    Trigger.objects.update(next_fire_at=NOON)  # as where its times are reckoned anew in between
    look(hour(0))
    look(hour(1))

    assert firings(trigger) == [(0, "fired", ""), (1, "fired", "")]
    assert len(jobs_of(trigger)) == 2


@pytest.mark.parametrize(
    ("cron", "zone", "first", "due"),
    [
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2040-03-25 00:00", ["2040-03-25 03:00", "2040-03-26 02:30"], id="gap"
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2040-10-28 00:00", ["2040-10-28 02:30", "2040-10-29 02:30"], id="fold"
        ),
        pytest.param(
            "0 0 * * *", "Africa/Cairo", "2040-04-26 12:00", ["2040-04-27 01:00", "2040-04-28 00:00"], id="Cairo"
        ),
        pytest.param(
            "15 2 * * *", "Australia/Lord_Howe", "2040-10-06 12:00", ["2040-10-07 02:30", "2040-10-08 02:15"],
            id="half an hour",
        ),
        pytest.param("0 9 29 2 *", "UTC", "2040-01-01 00:00", ["2040-02-29 09:00", "2044-02-29 09:00"], id="leap year"),
    ],
)  # fmt: skip
def test_each_local_time_fires_once_over_changes_of_clocks(cron, zone, first, due):
    place = ZoneInfo(zone)
    begin = datetime.fromisoformat(first).replace(tzinfo=place)
    trigger = make.trigger(configuration={"cron": cron}, time_zone=zone, starts_at=begin)

    end_of_it = datetime.fromisoformat(due[-1]).replace(tzinfo=place)
    Trigger.objects.filter(pk=trigger.pk).update(misfire="fire_all", misfire_limit=1000)
    look(end_of_it)
    look(end_of_it)

    told = [row.due_at.astimezone(place).strftime("%Y-%m-%d %H:%M") for row in Firing.objects.order_by("due_at")]
    assert told == due
    assert Job.objects.count() == len(due)


def test_an_interval_and_an_hourly_time_come_in_both_hours_of_a_fold():
    place = ZoneInfo("Europe/Berlin")
    begin = datetime(2040, 10, 28, 1, 0, tzinfo=place)
    hourly = make.trigger(configuration=HOURLY, time_zone="Europe/Berlin", starts_at=begin, misfire="fire_all")
    interval = make.trigger(configuration={"every": 3600}, starts_at=begin, misfire="fire_all")

    look(datetime(2040, 10, 28, 3, 0, tzinfo=place))

    hours = ["23:00", "00:00", "01:00", "02:00"]
    times = {
        trigger.pk: [row.due_at.strftime("%H:%M") for row in Firing.objects.filter(trigger=trigger).order_by("due_at")]
        for trigger in (hourly, interval)
    }
    assert times == {hourly.pk: hours, interval.pk: hours}


def test_a_trigger_ends_when_it_was_said_to():
    trigger = make.trigger(configuration=HOURLY, starts_at=hour(0), ends_at=hour(2), misfire="fire_all")

    look(hour(5))
    look(hour(9))

    assert firings(trigger) == [(0, "fired", ""), (1, "fired", ""), (2, "fired", "")]
    trigger.refresh_from_db()
    assert trigger.next_fire_at is None
