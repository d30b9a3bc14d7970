"""*Why?* over the API: what keeps a job waiting and a robot idle, as far as one may see it."""

from __future__ import annotations

import pytest

from apps.jobs import services as jobs
from apps.processes import services as processes
from apps.robots import services as robots
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    """A process in a tenant of its own."""
    return make.process(make.folder(make.tenant()))


def why(job, caller: api.Caller | None = None) -> dict:
    return (caller or api.root()).get(f"jobs/{job.pk}/why").json()


def obstacles(told: dict) -> dict[str, list[str]]:
    """What keeps each robot away, by its name."""
    return {one["robot"]["name"]: [obstacle["name"] for obstacle in one["obstacles"]] for one in told["robots"]}


def test_without_robots_the_way_begins_with_a_machine(process):
    told = why(make.job(process))

    assert (told["robot_count"], told["robots"]) == (0, [])
    assert "no robot" in told["summary"]
    assert told["fix"]


def test_the_nearest_robot_comes_first_with_what_to_do(process):
    make.robot(of=process.tenant, name="far")
    near = make.robot(of=process.tenant, name="near")
    make.session(near)
    robots.drain_robot(near, actor=make.SYSTEM)

    told = why(make.job(process))

    assert list(obstacles(told)) == ["near", "far"]
    assert obstacles(told)["near"] == ["robot_not_draining"]
    assert (told["summary"], told["fix"]) == (
        "near is nearest to taking it, but the robot is draining and takes nothing new.",
        "Stop draining it.",
    )


def test_what_keeps_every_robot_away_is_said_of_all(process):
    make.robot(of=process.tenant)
    make.robot(of=process.tenant)

    told = why(make.job(process))

    assert told["summary"].startswith("No robot can take it")
    assert told["counts"]["robot_online"] == 2


def test_blanks_are_filled_in(process):
    processes.update_process(process, actor=make.SYSTEM, required_labels=["gpu", "linux"], concurrency_limit=1)
    worker = make.robot(of=process.tenant, labels=["linux"])
    make.session(worker)

    told = why(make.job(process))

    (robot,) = told["robots"]
    assert [obstacle["says"] for obstacle in robot["obstacles"]] == ["it lacks labels: gpu"]


def test_a_job_that_nothing_keeps_is_about_to_start(process):
    worker = make.robot(of=process.tenant, name="ready")
    make.session(worker)

    told = why(make.job(process))

    assert obstacles(told) == {"ready": []}
    assert told["summary"] == "Nothing is in the way: ready takes it on its next contact."


def test_it_says_how_many_go_first(process):
    make.job(process, priority=5)
    make.job(process)
    last = make.job(process)

    assert why(last)["ahead"] == 2


def test_robots_that_one_may_not_see_are_not_told_of(process):
    hidden = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Hidden")
    make.robot(of=process.tenant, name="seen")
    make.robot(of=process.tenant, name="hidden", folders=[hidden])
    somebody = api.Caller(make.user("jobs.view_job", "robots.view_robot", inside=process.folder))

    told = why(make.job(process), somebody)

    assert (list(obstacles(told)), told["robot_count"]) == (["seen"], 1)


def test_a_thousand_robots_are_counted_and_fifty_shown(process, django_assert_num_queries):
    machine = make.machine(process.tenant)
    for _ in range(60):
        make.robot(machine)
    job = make.job(process)
    root = api.root()

    with django_assert_num_queries(7):
        told = why(job, root)

    assert (told["robot_count"], len(told["robots"]), told["counts"]["robot_online"]) == (60, 50, 60)


@pytest.mark.parametrize(("end", "words"), [("cancel", "It has ended: cancelled"), ("nothing", "It is running on")])
def test_a_job_that_does_not_wait_says_what_it_does(process, end, words):
    execution = make.running_job(process)
    {"cancel": jobs.kill_job, "nothing": lambda job, actor: None}[end](execution.job, actor=make.SYSTEM)

    told = why(execution.job)

    assert told["summary"].startswith(words)
    assert told["robots"] == []


class TestRobots:
    def test_a_robot_that_cannot_work_says_what_is_the_matter(self):
        robot = make.robot()

        told = api.root().get(f"robots/{robot.pk}/why").json()

        assert "robot_online" in [obstacle["name"] for obstacle in told["obstacles"]]
        assert told["summary"].startswith("It takes no work because")

    @pytest.mark.parametrize(
        ("problem", "says", "fix"),
        [
            ("spool_full", "its disk is almost full", "make room on its machine"),
            ("", "it says that it takes nothing new, but not why", "look at its log"),
        ],
    )
    def test_what_a_robot_reports_is_said_in_words(self, problem, says, fix):
        robot = make.robot()
        make.session(robot)
        robot.sessions.update(accepting=False, problem=problem)

        told = api.root().get(f"robots/{robot.pk}/why").json()

        assert told["summary"].startswith(f"It takes no work because {says}")
        assert told["obstacles"][0]["fix"].startswith(fix)

    def test_a_robot_without_work_says_so(self):
        robot = make.robot()
        make.session(robot)

        assert "no job is pending" in api.root().get(f"robots/{robot.pk}/why").json()["summary"]

    def test_the_jobs_of_its_folders_say_what_keeps_it_away(self, process):
        processes.update_process(process, actor=make.SYSTEM, required_labels=["gpu"])
        elsewhere = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Elsewhere")
        job = make.job(process)
        make.job(make.process(elsewhere))
        robot = make.robot(of=process.tenant)
        make.session(robot)

        told = api.root().get(f"robots/{robot.pk}/why").json()

        (shown,) = told["jobs"]
        assert (shown["id"], [obstacle["name"] for obstacle in shown["obstacles"]]) == (str(job.pk), ["labels"])

    def test_jobs_that_one_may_not_see_are_not_told_of(self, process):
        make.job(process)
        robot = make.robot(of=process.tenant)
        somebody = api.Caller(make.user("robots.view_robot", inside=process.tenant))

        assert somebody.get(f"robots/{robot.pk}/why").json()["jobs"] == []
