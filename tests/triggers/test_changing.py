"""Making, changing and switching triggers, and firing them by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.packages.models import PackageVersion
from apps.processes.models import NothingToRun
from apps.tenancy.models import Brake
from apps.triggers import services
from apps.triggers.models import Firing, Trigger
from tests import make
from tests.make import SYSTEM
from tests.triggers.firing import HOURLY, NOON, jobs_of, trigger_due

pytestmark = pytest.mark.django_db


def refused(**fields):
    """The fields that are named where making a trigger is refused."""
    with pytest.raises(Invalid) as refusal:
        make.trigger(**fields)
    return [problem.field for problem in refusal.value.problems]


class TestMaking:
    def test_a_trigger_knows_when_it_is_due_first(self):
        trigger = make.trigger(configuration={"every": 3600}, starts_at=NOON)

        assert trigger.next_fire_at == NOON
        assert AuditEntry.objects.get(action="trigger.created").target_id == trigger.pk

    def test_an_interval_counts_from_the_making(self):
        trigger = make.trigger(configuration={"every": 3600})

        assert timedelta(minutes=59) < trigger.next_fire_at - datetime.now(UTC) <= timedelta(hours=1)

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"kind": "moon"}, ["kind"]),
            ({"name": " "}, ["name"]),
            ({"configuration": {"cron": "0 0 30 2 *"}}, ["configuration.cron"]),
            ({"configuration": {"cron": "* * * * * *"}}, ["configuration.cron"]),
            ({"configuration": {"every": 1}}, ["configuration.every"]),
            ({"configuration": {}}, ["configuration"]),
            ({"configuration": []}, ["configuration"]),
            ({"time_zone": "Mars/Olympus"}, ["time_zone"]),
            ({"starts_at": NOON, "ends_at": NOON}, ["ends_at"]),
            ({"starts_at": datetime(1, 1, 1, tzinfo=UTC)}, ["starts_at"]),
            ({"ends_at": datetime(9999, 12, 31, tzinfo=UTC)}, ["ends_at"]),
            ({"parameters": {"amount": "three", "colour": 1}}, ["parameters.amount", "parameters.colour"]),
            ({"parameters": {"customer": "{{ moon }}"}}, ["parameters.customer"]),
            ({"parameters": {"customer": "at {{ due_at }}"}}, ["parameters.customer"]),
            ({"parameters": 7}, ["parameters"]),
            ({"overlap": "perhaps"}, ["overlap"]),
            ({"misfire_limit": 0}, ["misfire_limit"]),
            ({"jitter": 3601}, ["jitter"]),
            ({"priority": 1001}, ["priority"]),
            ({"colour": "red"}, ["colour"]),
            ({"kind": "queue"}, ["queue"]),
        ],
    )
    def test_what_is_wrong_is_named_by_its_field(self, fields, named):
        assert refused(**fields) == named

    def test_rows_of_other_tenants_are_not_there(self):
        assert refused(folder=make.folder()) == ["process"]
        assert refused(target_robot=make.robot()) == ["target_robot"]

    def test_a_name_is_free_only_once(self):
        trigger = make.trigger(name="Nightly")

        with pytest.raises(Conflict, match="already"):
            make.trigger(trigger.process, name="nightly")

    def test_a_process_with_nothing_to_run_is_said(self):
        process = make.process()
        PackageVersion.objects.update(is_active=False)

        with pytest.raises(NothingToRun):
            make.trigger(process)

    def test_whoever_may_not_run_the_process_makes_no_trigger_of_it(self):
        process = make.process()
        author = make.user("triggers.add_trigger", inside=process.tenant)
        wanted = {"kind": "time", "name": "x", "process": process, "configuration": HOURLY}

        with pytest.raises(NotAllowed, match="run"):
            services.create_trigger(process.folder, actor=Actor.person(author), **wanted)


class TestChanging:
    def test_another_schedule_is_due_from_now_on(self):
        trigger = trigger_due()

        services.update_trigger(trigger, actor=SYSTEM, configuration={"every": 600})

        trigger.refresh_from_db()
        assert trigger.next_fire_at <= datetime.now(UTC) + timedelta(seconds=600)

    def test_another_name_changes_no_time(self):
        trigger = trigger_due()

        services.update_trigger(trigger, actor=SYSTEM, name="other")

        trigger.refresh_from_db()
        assert (trigger.name, trigger.next_fire_at) == ("other", NOON)
        entry = AuditEntry.objects.get(action="trigger.updated")
        assert (entry.before["name"] != "other", entry.after["name"]) == (True, "other")

    def test_one_that_was_deleted_is_not_there_any_more(self):
        trigger = make.trigger(name="Nightly")
        services.delete_trigger(trigger, actor=SYSTEM)

        with pytest.raises(Conflict, match="deleted"):
            services.update_trigger(trigger, actor=SYSTEM, name="other")

        assert not Trigger.objects.alive().exists()
        assert make.trigger(trigger.process, name="Nightly").pk != trigger.pk


class TestSwitching:
    def test_what_passed_while_it_was_off_is_not_made_up_for(self):
        trigger = make.trigger(configuration={"every": 60})
        services.disable_trigger(trigger, actor=SYSTEM, reason="holidays")
        assert trigger.disabled_reason == "holidays"
        Trigger.objects.update(next_fire_at=datetime(2020, 1, 1, tzinfo=UTC), failures=3)

        services.enable_trigger(trigger, actor=SYSTEM)

        trigger.refresh_from_db()
        assert trigger.next_fire_at > datetime.now(UTC)
        assert (trigger.enabled, trigger.disabled_reason, trigger.failures) == (True, "", 0)

    def test_doing_it_again_changes_nothing(self):
        trigger = make.trigger()

        services.enable_trigger(trigger, actor=SYSTEM)
        services.disable_trigger(trigger, actor=SYSTEM)
        services.disable_trigger(trigger, actor=SYSTEM, reason="again")

        assert trigger.disabled_reason == ""
        assert AuditEntry.objects.filter(action="trigger.disabled").count() == 1

    def test_one_that_cannot_work_is_not_switched_on(self):
        trigger = make.trigger(enabled=False)
        Trigger.objects.update(configuration={"cron": "never"})

        with pytest.raises(Invalid):
            services.enable_trigger(trigger, actor=SYSTEM)

    def test_skipping_the_next_time_can_be_taken_back(self):
        trigger = make.trigger()

        assert services.skip_next_time(trigger, actor=SYSTEM).skip_next
        assert not services.skip_next_time(trigger, actor=SYSTEM, skip=False).skip_next


class TestFiringByHand:
    def test_makes_a_job_at_once_whatever_the_schedule_says(self):
        trigger = trigger_due(enabled=False, overlap="skip", jitter=600, parameters={"customer": "a", "amount": 2})
        person = Actor.person(make.user("triggers.fire_trigger", "processes.run_process", inside=trigger.tenant))

        firing = services.fire_trigger(trigger, actor=person, parameters={"amount": 5})
        services.fire_trigger(trigger, actor=person)

        first, second = jobs_of(trigger)
        assert (first.parameters, second.parameters) == ({"customer": "a", "amount": 5}, {"customer": "a", "amount": 2})
        assert first.created_by == firing.by_hand == str(person)
        assert first.firing_id == firing.pk
        trigger.refresh_from_db()
        assert trigger.next_fire_at == NOON

    def test_other_parameters_take_the_right_to_run_the_process(self):
        trigger = make.trigger()
        person = Actor.person(make.user("triggers.fire_trigger", inside=trigger.tenant))

        with pytest.raises(NotAllowed):
            services.fire_trigger(trigger, actor=person, parameters={"amount": 5})

        assert services.fire_trigger(trigger, actor=person).jobs_made == 1

    def test_what_cannot_be_made_is_refused_and_leaves_nothing(self):
        trigger = make.trigger()

        with pytest.raises(Invalid) as refusal:
            services.fire_trigger(trigger, actor=SYSTEM, parameters={"amount": "many"})

        assert [problem.field for problem in refusal.value.problems] == ["parameters.amount"]
        assert not Firing.objects.exists()

    def test_a_brake_holds_it_too(self):
        trigger = make.trigger()
        Brake.objects.create(tenant=trigger.tenant, reason="the bank is closed", set_by="test")

        with pytest.raises(services.TriggersHeld, match="the bank is closed"):
            services.fire_trigger(trigger, actor=SYSTEM)
