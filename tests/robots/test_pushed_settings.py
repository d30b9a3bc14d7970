"""What a robot is told to do otherwise than its installation says."""

from __future__ import annotations

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Invalid
from apps.robots import rules, services
from tests import api, make

pytestmark = pytest.mark.django_db

LEAST = {name: one.least for name, one in rules.PUSHED_SETTINGS.items()}
MOST = {name: one.most for name, one in rules.PUSHED_SETTINGS.items()}


@pytest.mark.parametrize("settings", [{}, LEAST, MOST, {"sync_min": 5, "sync_max": 5}, {"log_every": 2.5}])
def test_what_is_in_range_is_right(settings):
    assert rules.wrong_settings(settings) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sync_min", 0),
        ("sync_max", 61),
        ("log_every", 0.1),
        ("log_every", "10"),
        ("log_every", True),
        ("log_every", None),
        ("log_every", float("nan")),
        ("log_limit_bytes", 1),
        ("memory_limit", 63),
        ("memory_limit", 512.5),
        ("cpu_limit", 0),
        ("disk_reserve_bytes", -1),
        ("kill_grace", 1),
    ],
)
def test_what_cannot_be_is_named(name, value):
    assert list(rules.wrong_settings({"sync_min": 5, name: value})) == [name]


def test_the_shortest_pause_is_no_longer_than_the_longest():
    assert rules.wrong_settings({"sync_min": 10, "sync_max": 5}) == {"sync_min": "must not be longer than sync_max."}


def test_a_change_takes_the_place_of_what_was_and_is_audited(system):
    robot = make.robot()
    services.update_robot(robot, actor=system, pushed_settings={"log_every": 10, "memory_limit": 512})

    services.update_robot(robot, actor=system, pushed_settings={"log_every": 5})

    robot.refresh_from_db()
    entry = AuditEntry.objects.about(robot).filter(action="robot.updated").order_by("-pk").first()
    assert robot.pushed_settings == {"log_every": 5}
    assert entry.before["pushed_settings"] == {"log_every": 10, "memory_limit": 512}
    assert entry.after["pushed_settings"] == {"log_every": 5}


def test_another_change_leaves_them(system):
    robot = make.robot()
    services.update_robot(robot, actor=system, pushed_settings={"log_every": 10})

    services.update_robot(robot, actor=system, slots=2)

    robot.refresh_from_db()
    assert robot.pushed_settings == {"log_every": 10}


def test_every_wrong_one_is_refused_by_name(system):
    with pytest.raises(Invalid) as refusal:
        services.update_robot(make.robot(), actor=system, pushed_settings={"log_every": 0, "nonsense": 1})

    assert {one.field for one in refusal.value.problems} == {"pushed_settings.log_every", "pushed_settings.nonsense"}


class TestOverTheApi:
    def test_they_are_changed_and_shown(self):
        robot = make.robot()

        changed = api.root().patch(f"robots/{robot.pk}", {"pushed_settings": {"cpu_limit": 1.5}})

        assert changed.json()["pushed_settings"] == {"cpu_limit": 1.5}
        assert api.root().get(f"robots/{robot.pk}").json()["pushed_settings"] == {"cpu_limit": 1.5}

    @pytest.mark.parametrize("wrong", [{"cpu_limit": 0}, {"cpu_limit": "many"}, {"cpu_limit": None}, {"cpu_limits": 1}])
    def test_a_wrong_one_is_refused_by_name(self, wrong):
        robot = make.robot()

        refused = api.root().patch(f"robots/{robot.pk}", {"pushed_settings": wrong})

        assert api.fields_refused(refused) == {f"pushed_settings.{next(iter(wrong))}"}

    def test_pauses_the_wrong_way_round_are_refused_by_name(self):
        asked = {"pushed_settings": {"sync_min": 9, "sync_max": 3}}

        refused = api.root().patch(f"robots/{make.robot().pk}", asked)

        assert api.fields_refused(refused) == {"pushed_settings.sync_min"}

    def test_whoever_may_only_look_changes_nothing(self):
        robot = make.robot()
        reader = api.Caller(make.user("robots.view_robot", inside=robot.tenant))

        refused = reader.patch(f"robots/{robot.pk}", {"pushed_settings": {"log_every": 5}})

        robot.refresh_from_db()
        assert (refused.status_code, robot.pushed_settings) == (403, {})

    def test_a_robot_of_another_tenant_is_not_there(self):
        person = api.Caller(make.user("robots.view_robot", "robots.change_robot", inside=make.tenant()))

        assert person.patch(f"robots/{make.robot().pk}", {"pushed_settings": {}}).status_code == 404
