"""Many robots at once: drained, in maintenance, and back at work."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.events.models import Event
from apps.robots import services
from apps.robots.models import Robot
from apps.robots.services import RobotChange
from apps.tenancy import services as tenancy
from tests import api, make
from tests.admin.visitors import list_of, superuser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet():
    """Three robots of one tenant."""
    machine = make.machine()
    return [make.robot(machine) for _ in range(3)]


def those(robots) -> object:
    return Robot.objects.filter(pk__in=[robot.pk for robot in robots])


def draining(robots) -> list[bool]:
    return [Robot.objects.get(pk=robot.pk).draining for robot in robots]


def test_they_are_drained_and_take_work_again(fleet, system):
    drained = services.change_robots(those(fleet), actor=system, change=RobotChange.DRAIN)
    while_drained = draining(fleet)
    services.change_robots(those(fleet), actor=system, change=RobotChange.UNDRAIN)

    assert drained == sorted(robot.pk for robot in fleet)
    assert (while_drained, draining(fleet)) == ([True] * 3, [False] * 3)


def test_maintenance_has_its_reason_and_its_end_and_leaves_neither(fleet, system):
    until = timezone.now() + timedelta(hours=1)
    change = RobotChange.START_MAINTENANCE
    services.change_robots(those(fleet), actor=system, change=change, reason=" patches ", until=until)
    begun = list(those(fleet).values_list("maintenance", "maintenance_reason", "maintenance_until"))

    services.change_robots(those(fleet), actor=system, change=RobotChange.END_MAINTENANCE)

    assert begun == [(True, "patches", until)] * 3
    assert set(those(fleet).values_list("maintenance", "maintenance_reason", "maintenance_until")) == {
        (False, "", None)
    }


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"change": RobotChange.START_MAINTENANCE}, "reason"),
        ({"change": RobotChange.START_MAINTENANCE, "reason": " "}, "reason"),
        (
            {"change": RobotChange.START_MAINTENANCE, "reason": "x", "until": timezone.now() - timedelta(days=1)},
            "until",
        ),
        ({"change": RobotChange.DRAIN, "until": timezone.now() + timedelta(days=1)}, "until"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(fleet, system, asked, field):
    with pytest.raises(Invalid) as refusal:
        services.change_robots(those(fleet), actor=system, **asked)

    assert [one.field for one in refusal.value.problems] == [field]
    assert set(those(fleet).values_list("draining", "maintenance")) == {(False, False)}


def test_each_tenant_gets_one_entry_and_each_robot_that_changed_an_event(fleet, system):
    elsewhere = make.robot()
    services.drain_robot(fleet[0], actor=system)
    before = Event.objects.filter(type="robot.changed").count()

    services.change_robots(those([*fleet, elsewhere]), actor=system, change=RobotChange.DRAIN, reason="power cut")

    entries = AuditEntry.objects.filter(action="robots.drained")
    assert {entry.target_id for entry in entries} == {fleet[0].tenant_id, elsewhere.tenant_id}
    ours = entries.get(target_id=fleet[0].tenant_id)
    assert (ours.reason, ours.after["count"]) == ("power cut", 2)
    assert ours.after["robots"] == sorted(robot.name for robot in fleet[1:])
    assert Event.objects.filter(type="robot.changed").count() - before == 3


def test_a_robot_s_own_history_says_so_too(fleet, system):
    services.drain_robot(fleet[0], actor=system)

    services.change_robots(those(fleet), actor=system, change=RobotChange.DRAIN, reason="power cut")

    history = [AuditEntry.objects.about(robot).filter(reason="power cut").values_list() for robot in fleet]
    assert [len(entries) for entries in history] == [0, 1, 1]
    told = AuditEntry.objects.about(fleet[1]).first()
    assert (told.action, told.before, told.after) == ("robot.drained", {"draining": False}, {"draining": True})
    assert (told.target_name, told.tenant_id) == (fleet[1].name, fleet[1].tenant_id)


def test_where_all_is_so_already_nothing_is_written_down(fleet, system):
    services.change_robots(those(fleet), actor=system, change=RobotChange.UNDRAIN)

    assert not AuditEntry.objects.filter(action="robots.undrained").exists()


def test_deleted_robots_and_those_of_suspended_tenants_are_left_alone(fleet, system):
    elsewhere = make.robot()
    services.delete_robot(fleet[0], actor=system)
    tenancy.suspend_tenant(elsewhere.tenant, actor=system)

    done = services.change_robots(those([*fleet, elsewhere]), actor=system, change=RobotChange.DRAIN)

    assert set(done) == {fleet[1].pk, fleet[2].pk}


def test_more_than_can_be_held_at_once_are_refused(fleet, system, monkeypatch):
    monkeypatch.setattr("apps.robots.services.bulk.MOST_ROBOTS", 2)

    with pytest.raises(Invalid, match="more than 2"):
        services.change_robots(those(fleet), actor=system, change=RobotChange.DRAIN)

    assert draining(fleet) == [False] * 3


def test_who_may_change_no_robot_is_refused(fleet):
    reader = Actor.person(make.user("robots.view_robot", inside=fleet[0].tenant))

    with pytest.raises(NotAllowed):
        services.change_robots(those(fleet), actor=reader, change=RobotChange.DRAIN)


def test_it_takes_no_more_statements_for_more_robots(fleet, system):
    with CaptureQueriesContext(connection) as one:
        services.change_robots(those(fleet[:1]), actor=system, change=RobotChange.DRAIN)
    with CaptureQueriesContext(connection) as three:
        services.change_robots(those(fleet), actor=system, change=RobotChange.START_MAINTENANCE, reason="x")

    assert len(three) == len(one)


class TestOverTheApi:
    def ask(self, caller, **body):
        return caller.post("robots/bulk", body)

    def test_robots_are_named_by_id(self, fleet):
        body = {"action": "drain", "filters": {"robots": [robot.pk for robot in fleet[:2]]}}

        answered = self.ask(api.root(), **body)

        assert answered.status_code == 200
        assert set(answered.json()["robots"]) == {str(robot.pk) for robot in fleet[:2]}
        assert draining(fleet) == [True, True, False]

    def test_robots_are_named_by_label_folder_and_machine(self, system):
        gpu = make.robot(labels=["gpu"])
        by_machine, plain = make.robot(gpu.machine), make.robot(gpu.machine)
        services.update_machine(gpu.machine, actor=system, labels=["rack-1"])
        filters = {"label": ["GPU", "rack-1"], "machine": [gpu.machine_id], "folder": [make.folder(gpu.tenant).pk]}

        answered = self.ask(api.root(), action="drain", filters=filters)

        assert answered.json() == {"robots": [str(gpu.pk)], "not_found": []}
        assert draining([by_machine, plain]) == [False, False]

    def test_those_of_others_are_not_there(self, fleet):
        elsewhere = make.robot()
        person = api.Caller(make.user("robots.view_robot", "robots.change_robot", inside=fleet[0].tenant))
        ids = [fleet[0].pk, elsewhere.pk]

        answered = self.ask(person, action="start-maintenance", filters={"robots": ids}, reason="patches")

        assert answered.json() == {"robots": [str(fleet[0].pk)], "not_found": [str(elsewhere.pk)]}
        elsewhere.refresh_from_db()
        assert elsewhere.maintenance is False

    def test_who_only_looks_is_refused(self, fleet):
        reader = api.Caller(make.user("robots.view_robot", inside=fleet[0].tenant))

        refused = self.ask(reader, action="drain", filters={"robots": [fleet[0].pk]})

        assert (refused.status_code, draining(fleet[:1])) == (403, [False])

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"action": "drain"}, "filters"),
            ({"action": "drain", "filters": {}}, "filters"),
            ({"action": "drain", "filters": {"label": []}}, "filters"),
            ({"action": "explode", "filters": {"label": ["x"]}}, "action"),
            ({"action": "start-maintenance", "filters": {"label": ["x"]}}, "reason"),
            ({"action": "drain", "filters": {"robots": ["x"]}}, "filters.robots.0"),
            ({"action": "drain", "filters": {"labels": ["x"]}}, "filters.labels"),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, body, field):
        assert api.fields_refused(self.ask(api.root(), **body)) == {field}


class TestInTheAdmin:
    def tick(self, visitor, robots, action, **form):
        ticked = [robot.pk for robot in robots]
        return visitor.post(list_of(Robot), {"action": action, "_selected_action": ticked, "index": "0", **form})

    def test_it_is_confirmed_first(self, fleet):
        visitor = superuser()
        asked = self.tick(visitor, fleet, "drain")
        before = draining(fleet)

        self.tick(visitor, fleet, "drain", confirmed="1")

        assert "done to each of these 3 robots" in text_of(asked)
        assert (before, draining(fleet)) == ([False] * 3, [True] * 3)

    def test_maintenance_asks_why(self, fleet):
        visitor = superuser()

        without = self.tick(visitor, fleet, "maintain", confirmed="1")
        past = self.tick(visitor, fleet, "maintain", confirmed="1", reason="x", until="2020-01-01T00:00")
        self.tick(visitor, fleet, "maintain", confirmed="1", reason="patches")

        assert "reason" in without.context["form"].errors
        assert "until" in past.context["form"].errors
        assert set(those(fleet).values_list("maintenance_reason", flat=True)) == {"patches"}

    def test_maintenance_is_ended(self, fleet, system):
        services.change_robots(those(fleet), actor=system, change=RobotChange.START_MAINTENANCE, reason="patches")

        self.tick(superuser(), fleet, "end-maintenance", confirmed="1")

        assert set(those(fleet).values_list("maintenance", flat=True)) == {False}
