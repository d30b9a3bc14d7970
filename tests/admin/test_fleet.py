"""What the pages of robots show of a fleet: its machines, its troubles, and how to find one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import ids
from apps.robots import rules
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSample, RobotSession
from tests import api, make
from tests.admin.visitors import list_of, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db

AGENT = {
    "version": "1.4.0", "hostname": "host-7", "os": "Linux-6.1", "python": "3.12.1", "processors": 8,
    "memory": 16 * 1024**3,
}  # fmt: skip


def telling(robot: Robot, **facts) -> RobotSession:
    """A session of a robot that told ``facts``."""
    session = make.session(robot, agent=AGENT)
    RobotSession.objects.filter(pk=session.pk).update(**facts)
    return session


def sample(robot: Robot, ago: timedelta, **measured) -> None:
    made = ids.first_id_at(timezone.now() - ago)
    RobotSample.objects.create(id=made, tenant_id=robot.tenant_id, robot_id=robot.pk, **measured)


class TestThePage:
    def test_it_names_program_and_machine(self):
        robot = make.robot()
        telling(robot)

        shown = text_of(superuser().open(robot))

        told = ("1.4.0", "host-7", "Linux-6.1", "3.12.1", "16.0 GiB", "version 1")
        assert [text in shown for text in told] == [True] * len(told)

    def test_it_shows_what_was_measured_last_in_its_units(self):
        robot = make.robot()
        measured = {"cpu": 0.25, "disk": 0.7, "disk_free": 3 * 1024**3, "load": 1.5, "environments": 4}
        telling(robot, metrics=measured | {"spool_depth": 0, "clock_skew": 0.2})

        shown = text_of(superuser().open(robot))

        told = ("25% in use", "70% in use", "3.0 GiB", "1.50", "Environments kept", "as this server")
        assert [text in shown for text in told] == [True] * len(told)
        assert "NTP" not in shown

    def test_it_shows_what_was_pushed_to_it(self, system):
        robot = make.robot()
        robots.update_robot(robot, actor=system, pushed_settings={"log_every": 5, "memory_limit": 2048})

        assert "log every 5 s, memory for each job 2.0 GiB" in text_of(superuser().open(robot))

    def test_a_clock_that_is_wrong_is_said_with_what_it_means(self):
        robot = make.robot()
        telling(robot, metrics={"clock_skew": -95.0})

        shown = text_of(superuser().open(robot))

        assert "1 min 35 s behind this server" in shown
        assert "by NTP" in shown

    def test_results_that_wait_are_said(self):
        robot = make.robot()
        telling(robot, metrics={"spool_depth": 3})

        assert "Results that wait on its machine: 3." in text_of(superuser().open(robot))

    @pytest.mark.parametrize("problem", [one for one in rules.PROBLEMS if " " not in one])
    def test_each_problem_is_said_in_words_with_the_way_out(self, problem):
        robot = make.robot()
        telling(robot, problem=problem, accepting=False)

        notices = superuser().open(robot).context["page"].notices

        trouble = rules.trouble_of(problem)
        assert notices == [f"{trouble.says} {trouble.fix}"]

    def test_why_it_is_idle_names_the_same_way_out(self):
        robot = make.robot()
        telling(robot, problem="spool_full", accepting=False)

        told = api.root().get(f"robots/{robot.pk}/why").json()

        assert told["summary"].startswith("It takes no work because its disk is almost full")
        assert told["obstacles"][0]["fix"].startswith("make room on its machine (bv-robot cleanup)")

    def test_a_problem_nobody_knows_is_shown_as_it_was_said(self):
        robot = make.robot()
        telling(robot, problem="<b>odd</b>", accepting=False)

        shown = text_of(superuser().open(robot))

        assert "It says: &lt;b&gt;odd&lt;/b&gt;." in shown
        assert "<b>odd" not in shown

    def test_a_cloned_identity_is_said_with_the_way_out(self, system):
        robot = make.robot()
        robots.flag_error(robot, actor=system, error="two machines share one identity")

        shown = text_of(superuser().open(robot))

        assert "enrol it under a name of its own" in shown
        assert "Clear error" in shown

    def test_a_program_that_was_turned_away_says_what_to_update(self, system):
        robot = make.robot()
        robots.flag_error(robot, actor=system, error="turned away: it is too old. Update it there.")

        page = superuser().open(robot).context["page"]

        told, fix = "It was turned away: it is too old. Update it there.", rules.trouble_of("turned away: ").fix
        assert page.notices == [f"{told} {fix}"]
        assert "too old" not in page.badges[0]

    def test_a_silent_robot_s_last_problem_is_not_taken_for_today_s(self):
        robot = make.robot()
        telling(robot, problem="spool_full", accepting=False, last_seen_at=timezone.now() - timedelta(hours=1))

        assert superuser().open(robot).context["page"].notices == []

    def test_paused_on_its_machine_is_no_error(self):
        robot = make.robot()
        telling(robot, problem="paused", accepting=False)

        shown = api.root().get(f"robots/{robot.pk}").json()

        assert (shown["status"], shown["status_reason"]) == ("maintenance", "paused")


class TestItsCharts:
    def test_they_draw_the_last_day_and_say_it_in_words(self):
        robot = make.robot()
        sample(robot, timedelta(hours=2), cpu=0.1, memory=0.5, disk=0.7, load=2.5)
        sample(robot, timedelta(hours=1), cpu=0.9, memory=0.5, disk=0.7, load=0.5)
        sample(robot, timedelta(hours=30), cpu=0.99)

        shown = text_of(superuser().open(robot))

        assert "Processors: last 90%, lowest 10%, highest 90%, mean 50%." in shown
        assert "Load per processor: last 0.50, lowest 0.50, highest 2.50, mean 1.50." in shown
        assert shown.count('role="img"') == 4

    def test_what_was_never_measured_has_no_chart(self):
        robot = make.robot()
        sample(robot, timedelta(hours=2), cpu=0.1)

        assert text_of(superuser().open(robot)).count('role="img"') == 1

    def test_without_any_it_says_so(self):
        robot = make.robot()
        sample(make.robot(), timedelta(hours=2), cpu=0.1)

        assert "It has told nothing of its machine" in text_of(superuser().open(robot))


class TestTheList:
    def test_it_shows_the_labels_of_the_machines_too(self):
        make.robot(make.machine(labels=["rack-1"]), labels=["excel"])

        shown = text_of(superuser().get(list_of(Robot)))

        assert ">excel</span>" in shown
        assert ">rack-1</span>" in shown

    @pytest.mark.parametrize(
        "query",
        [
            {"version": "1.4.0"},
            {"problem": "spool_full"},
            {"problem": "any"},
            {"label": "gpu"},
            {"label": "rack-1"},
        ],
    )
    def test_it_is_narrowed(self, query, system):
        machine = make.machine(labels=["rack-1"])
        robot, other = make.robot(machine, labels=["gpu"]), make.robot()
        telling(robot, problem="spool_full", accepting=False)
        make.session(other, agent={"version": "1.3.0"})

        shown = text_of(superuser().get(list_of(Robot), **query))

        assert page_of(robot) in shown
        assert page_of(other) not in shown

    def test_it_is_narrowed_by_folder(self):
        robot, other = make.robot(), make.robot()
        folder = robot.folders.get()

        shown = text_of(superuser().get(list_of(Robot), folders__id__exact=str(folder.pk)))

        assert page_of(robot) in shown
        assert page_of(other) not in shown

    def test_its_filters_tell_nothing_of_robots_of_others(self):
        hidden = make.robot(make.machine(labels=["secret-rack"]), labels=["secret-lab"])
        make.session(hidden, agent={"version": "9.9.9"})
        robot = make.robot(labels=["gpu"])
        make.session(robot, agent={"version": "1.4.0"})

        shown = text_of(with_permissions("robots.view_robot", inside=robot.tenant).get(list_of(Robot)))

        assert [text in shown for text in ("gpu", "1.4.0")] == [True, True]
        assert [text in shown for text in ("secret-lab", "secret-rack", "9.9.9")] == [False] * 3

    def test_it_takes_no_more_statements_for_more_robots(self):
        visitor, tenant = superuser(), make.tenant()
        telling(make.robot(of=tenant, labels=["gpu"]))
        visitor.get(list_of(Robot))
        with CaptureQueriesContext(connection) as one:
            visitor.get(list_of(Robot))
        for each in [make.robot(of=tenant, labels=["gpu"]) for _ in range(4)]:
            telling(each)

        with CaptureQueriesContext(connection) as five:
            visitor.get(list_of(Robot))

        assert len(five) <= len(one)

    def test_a_page_takes_no_more_statements_for_more_samples(self):
        visitor, robot = superuser(), make.robot()
        telling(robot)
        sample(robot, timedelta(minutes=1), cpu=0.5)
        visitor.open(robot)
        with CaptureQueriesContext(connection) as one:
            visitor.open(robot)
        for minutes in range(2, 30):
            sample(robot, timedelta(minutes=minutes), cpu=0.5, memory=0.5, disk=0.5, load=0.5)

        with CaptureQueriesContext(connection) as many:
            visitor.open(robot)

        assert len(many) == len(one) < 60


class TestTheApi:
    @pytest.mark.parametrize("query", [{"version": "1.4.0"}, {"problem": "spool_full"}, {"label": "gpu"}])
    def test_its_list_is_narrowed(self, query):
        robot, other = make.robot(labels=["gpu"]), make.robot()
        telling(robot, problem="spool_full", accepting=False)
        make.session(other, agent={"version": "1.3.0"})

        assert api.ids(api.root().get("robots", query)) == [str(robot.pk)]
