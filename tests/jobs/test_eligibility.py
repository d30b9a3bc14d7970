"""Who may take a job: each condition by itself, at the claim."""

import re
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from apps.jobs import services
from apps.jobs.models import Execution, Job
from apps.jobs.rules import eligibility
from apps.processes import services as processes
from apps.processes.models import Process
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSession
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import due, fail, job_of, lose

pytestmark = pytest.mark.django_db

SYSTEM = make.SYSTEM


class Scene:
    """A pending job and one robot that may take it."""

    def __init__(self, **fields):
        self.process = make.process(**fields)
        self.job = make.job(self.process)
        self.robot = make.robot(of=self.process.tenant)
        self.session = make.session(self.robot)

    def is_taken(self, by=None):
        session = by or self.session
        return bool(services.claim_jobs(session, actor=make.acting(session.robot), wishes=[uuid.uuid4()]))

    def change(self, model, **changes):
        row = {Robot: self.robot, RobotSession: self.session, Process: self.process, Job: self.job}[model]
        model.objects.filter(pk=row.pk).update(**changes)


@pytest.fixture
def scene():
    return Scene()


def test_where_nothing_stands_against_it_a_job_is_taken(scene):
    assert scene.is_taken()


def test_a_suspended_tenant_gives_nothing_out(scene):
    tenancy.suspend_tenant(scene.process.tenant, actor=SYSTEM)

    assert not scene.is_taken()


def test_a_disabled_robot_takes_nothing(scene):
    robots.disable_robot(scene.robot, actor=SYSTEM)

    assert not scene.is_taken()


def test_a_robot_that_was_not_heard_takes_nothing(scene):
    scene.change(RobotSession, last_seen_at=Now() - timedelta(seconds=settings.OFFLINE_AFTER + 1))

    assert not scene.is_taken()


def test_a_robot_put_aside_takes_nothing(scene):
    robots.flag_error(scene.robot, actor=SYSTEM, error="cloned")

    assert not scene.is_taken()


def test_a_robot_in_maintenance_takes_nothing(scene):
    robots.start_maintenance(scene.robot, actor=SYSTEM, reason="patch")

    assert not scene.is_taken()


def test_maintenance_ends_by_itself(scene):
    until = timezone.now() + timedelta(hours=1)
    robots.start_maintenance(scene.robot, actor=SYSTEM, reason="patch", until=until)
    assert not scene.is_taken()

    scene.change(Robot, maintenance_until=Now() - timedelta(seconds=1))

    assert scene.is_taken()


def test_a_draining_robot_takes_nothing(scene):
    robots.drain_robot(scene.robot, actor=SYSTEM)

    assert not scene.is_taken()


def test_a_robot_that_says_so_takes_nothing(scene):
    scene.change(RobotSession, accepting=False)

    assert not scene.is_taken()


def test_a_disabled_process_waits(scene):
    processes.disable_process(scene.process, actor=SYSTEM)

    assert not scene.is_taken()
    processes.enable_process(scene.process, actor=SYSTEM)
    assert scene.is_taken()


def test_a_robot_runs_only_its_kind_of_work(scene):
    scene.change(RobotSession, executors=["ssh"])

    assert not scene.is_taken()


def test_a_script_goes_only_where_scripts_are_allowed():
    scene = Scene(script_path="a.py")
    assert not scene.is_taken()

    scene.change(RobotSession, legacy_scripts=True)

    assert scene.is_taken()


def test_a_job_made_for_a_script_stays_one_though_its_process_now_runs_a_package():
    scene = Scene(script_path="a.py")
    package = make.package_version(scene.process.folder).package
    processes.update_process(scene.process, actor=SYSTEM, package=package, script_path="")

    assert not scene.is_taken()


@pytest.mark.parametrize(
    ("on_robot", "on_machine", "fits"),
    [([], [], False), (["sap"], [], False), (["sap", "gpu", "x"], [], True), (["sap"], ["gpu"], True)],
)
def test_labels_come_from_robot_and_machine(on_robot, on_machine, fits):
    scene = Scene(required_labels=["sap", "gpu"])
    machine = make.machine(scene.process.tenant, labels=on_machine)

    assert scene.is_taken(by=make.session(make.robot(machine, labels=on_robot))) is fits


@pytest.mark.parametrize(
    ("version", "fits"), [("1.4.0", True), ("1.10.0", True), ("2.0.0", True), ("1.3.9", False), ("dev", False)]
)
def test_an_older_program_takes_nothing(version, fits):
    scene = Scene(robot_version_floor="1.4")
    session = make.session(make.robot(of=scene.process.tenant), agent={"version": version})

    assert scene.is_taken(by=session) is fits


def test_a_robot_works_only_for_its_folders(scene):
    elsewhere = tenancy.create_folder(scene.process.tenant, actor=SYSTEM, name="Elsewhere")
    other = make.session(make.robot(of=scene.process.tenant, folders=[elsewhere]))

    assert not scene.is_taken(by=other)


@pytest.mark.parametrize("field", ["target_robot", "target_machine"])
@pytest.mark.parametrize("of", [Job, Process])
def test_a_target_is_kept_to(scene, field, of):
    other = make.session(make.robot(of=scene.process.tenant))
    scene.change(of, **{field: scene.robot if field == "target_robot" else scene.robot.machine})

    assert not scene.is_taken(by=other)
    assert scene.is_taken()


def test_a_job_s_own_target_goes_before_that_of_its_process(scene):
    other = make.session(make.robot(of=scene.process.tenant))
    scene.change(Process, target_robot=scene.robot)
    scene.change(Job, target_robot=other.robot)

    assert not scene.is_taken()
    assert scene.is_taken(by=other)


def test_a_deadline_to_start_is_kept_to(scene):
    scene.change(Job, start_deadline=Now() - timedelta(seconds=1))

    assert not scene.is_taken()


def test_what_began_in_time_may_be_tried_again_after_its_deadline():
    scene = Scene(max_attempts=2, backoff_base=0)
    execution = services.start_execution(make.claimed(scene.session), actor=make.acting(scene.robot))
    fail(execution)
    scene.change(Job, start_deadline=Now() - timedelta(seconds=1))

    assert scene.is_taken()


def test_the_limit_of_a_process_counts_all_robots_and_holds_at_once(scene):
    processes.update_process(scene.process, actor=SYSTEM, concurrency_limit=1)
    make.job(scene.process)
    other = make.session(make.robot(of=scene.process.tenant))

    assert scene.is_taken()
    assert not scene.is_taken(by=other)
    processes.update_process(scene.process, actor=SYSTEM, concurrency_limit=2)
    assert scene.is_taken(by=other)


def test_the_limit_per_value_counts_each_value_by_itself():
    process = make.process(limit_parameter="customer", limit_per_value=1)
    for customer in ("a", "a", "b"):
        make.job(process, parameters={"customer": customer})
    session = make.session(make.robot(of=process.tenant, slots=4))

    granted = services.claim_jobs(session, actor=make.acting(session.robot), wishes=[uuid.uuid4() for _ in range(4)])

    assert sorted(Execution.objects.filter(pk__in=granted.values()).values_list("limit_value", flat=True)) == ["a", "b"]


def test_jobs_without_the_parameter_are_under_no_limit_per_value():
    process = make.process(limit_parameter="customer", limit_per_value=1)
    make.job(process)
    make.job(process)
    session = make.session(make.robot(of=process.tenant, slots=4))

    assert make.claimed(session)
    assert make.claimed(session)


def test_an_ended_execution_frees_its_place():
    scene = Scene(concurrency_limit=1, max_attempts=3, backoff_base=0)
    lose(services.start_execution(make.claimed(scene.session), actor=make.acting(scene.robot)))
    due(scene.job)

    assert scene.is_taken()


@pytest.mark.parametrize(
    "obstacle",
    [
        {"robot_version_floor": "1.0.0"},
        {"required_labels": ["only-here"]},
        {"script_path": "a.py"},
    ],
)
def test_a_job_does_not_wait_for_another_robot_that_could_never_take_it(obstacle):
    process = make.process(max_attempts=2, backoff_base=0, **obstacle)
    job = make.job(process)
    here = make.session(
        make.robot(of=process.tenant, labels=["only-here"]), agent={"version": "1.0.0"},
        capabilities={"executors": ["robot"], "legacy_scripts": True},
    )  # fmt: skip
    make.session(make.robot(of=process.tenant), agent={"version": "0.9.0"})
    fail(services.start_execution(make.claimed(here), actor=make.acting(here.robot)))

    assert make.claimed(here).job_id == job.pk


def test_a_job_does_not_wait_for_another_robot_that_has_gone():
    scene = Scene(max_attempts=2, backoff_base=0)
    other = make.session(make.robot(of=scene.process.tenant))
    fail(services.start_execution(make.claimed(scene.session), actor=make.acting(scene.robot)))
    assert not scene.is_taken()

    RobotSession.objects.filter(pk=other.pk).update(last_seen_at=Now() - timedelta(minutes=5))

    assert scene.is_taken()


def test_every_condition_has_a_name_of_its_own_and_says_what_to_do():
    names = [predicate.name for predicate in eligibility.PREDICATES]

    assert len(names) == len(set(names))
    assert all(predicate.fails and predicate.fix for predicate in eligibility.PREDICATES)


def test_every_condition_on_a_robot_is_asked_of_the_other_robot_too():
    about_robot = re.compile(r"\b[rms]\.")
    wanted = [one for one in eligibility.PREDICATES if about_robot.search(one.sql) and not one.is_limit]
    other = eligibility.BY_NAME["another_robot_first"]

    missing = [
        one.name
        for one in wanted
        if one is not other and about_robot.sub(lambda m: m[0][0] + "2.", one.sql) not in other.sql
    ]

    assert missing == []
    assert len(wanted) > 8


def test_what_ended_as_poison_is_given_to_nobody():
    scene = Scene(max_attempts=9, backoff_base=0)
    for _ in range(2):
        robot = make.session(make.robot(of=scene.process.tenant))
        scene.change(Job, target_robot=robot.robot)
        lose(services.start_execution(make.claimed(robot), actor=make.acting(robot.robot)))
        due(scene.job)

    scene.change(Job, target_robot=None)
    assert not scene.is_taken()
    assert job_of(Execution.objects.first()).reason == "poison"
