"""Making and changing processes."""

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.packages import services as packages
from apps.processes import rules, services
from apps.processes.models import NothingToRun, Process
from tests import make
from tests.jobs.reports import told

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder():
    return make.folder()


def create(folder, **fields):
    return services.create_process(folder, actor=make.SYSTEM, **{"name": "Invoices"} | fields)


def wrong(refusal):
    return {problem.field for problem in refusal.value.problems}


def test_a_process_binds_a_package_to_how_it_shall_run(folder):
    package = make.package_version(folder).package

    process = create(folder, package=package, priority=5, required_labels=[" SAP", "a"], max_attempts=3)

    process.refresh_from_db()
    assert (process.package, process.priority, process.required_labels) == (package, 5, ["a", "sap"])
    assert (process.kind, process.enabled, process.revision) == ("rpa", True, 1)
    assert told(process) == ["process.created"]


def test_a_process_may_run_a_script_instead(folder):
    assert create(folder, script_path="reports/daily.py").package is None


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x.py", "a/../../x.py", "\\x.py", "a\\..\\x.py", "C:/x.py", "a\nb.py"]
)
def test_a_script_lies_below_its_directory(folder, path):
    with pytest.raises(Invalid) as refusal:
        create(folder, script_path=path)

    assert wrong(refusal) == {"script_path"}


def test_exactly_one_source_is_needed(folder):
    with pytest.raises(Invalid) as neither:
        create(folder)
    with pytest.raises(Invalid) as both:
        create(folder, package=make.package_version(folder).package, script_path="a.py")

    assert wrong(neither) == wrong(both) == {"package"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"priority": 1001}, "priority"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"lease_ttl": 29}, "lease_ttl"),
        ({"lease_ttl": 601}, "lease_ttl"),
        ({"kill_grace": 601}, "kill_grace"),
        ({"concurrency_limit": 0}, "concurrency_limit"),
        ({"on_lost": "panic"}, "on_lost"),
        ({"robot_version_floor": "newest"}, "robot_version_floor"),
        ({"required_labels": ["two words"]}, "required_labels"),
        ({"limit_per_value": 2}, "limit_per_value"),
        ({"limit_parameter": "customer"}, "limit_per_value"),
        ({"parameters": ["a"]}, "parameters"),
        ({"name": ""}, "name"),
        ({"entrypoint_name": "other"}, "entrypoint_name"),
    ],
)
def test_each_wrong_field_is_named(folder, fields, field):
    with pytest.raises(Invalid) as refusal:
        create(folder, **{"package": make.package_version(folder).package} | fields)

    assert wrong(refusal) == {field}


def test_what_is_no_field_is_refused_by_name(folder):
    with pytest.raises(Invalid) as refusal:
        create(folder, script_path="a.py", colour="red")

    assert wrong(refusal) == {"colour"}


@pytest.mark.parametrize("field", ["package", "target_robot", "target_machine"])
def test_rows_of_another_tenant_are_not_there(folder, field):
    others = make.robot()
    rows = {"package": make.package_version().package, "target_robot": others, "target_machine": others.machine}
    source = {} if field == "package" else {"script_path": "a.py"}

    with pytest.raises(Invalid) as refusal:
        create(folder, **source, **{field: rows[field]})

    assert field in wrong(refusal)


def test_a_pinned_version_is_one_of_the_package(folder):
    mine, other = make.package_version(folder), make.package_version(folder)

    with pytest.raises(Invalid) as refusal:
        create(folder, package=mine.package, version_policy="pinned", pinned_version=other)
    assert wrong(refusal) == {"pinned_version"}
    assert create(folder, package=mine.package, version_policy="pinned", pinned_version=mine).version_to_run() == mine


def test_the_newest_active_version_runs_unless_one_is_pinned(folder, system):
    first = make.package_version(folder)
    process = create(folder, package=first.package)
    second = make.package_version(folder, name=first.package.name, version="1.10.0")
    make.package_version(folder, name=first.package.name, version="1.9.0")

    assert process.version_to_run() == second
    packages.deactivate_version(second, actor=system)
    assert process.version_to_run().version == "1.9.0"


def test_upgrading_pins_the_newest_and_an_older_one_rolls_back(folder, system):
    first = make.package_version(folder)
    process = create(folder, package=first.package)
    second = make.package_version(folder, name=first.package.name, version="2.0.0")

    assert services.upgrade_process(process, actor=system).pinned_version == second
    assert services.upgrade_process(process, actor=system, version=first).version_to_run() == first
    assert process.revision == 3
    assert told(process).count("process.upgraded") == 2


def test_a_script_has_no_version_to_change(folder, system):
    with pytest.raises(Conflict, match="script"):
        services.upgrade_process(create(folder, script_path="a.py"), actor=system)


def test_without_an_active_version_there_is_nothing_to_upgrade_to(folder, system):
    version = make.package_version(folder)
    process = create(folder, package=version.package)
    packages.deactivate_version(version, actor=system)

    with pytest.raises(NothingToRun):
        services.upgrade_process(process, actor=system)


def test_changes_are_written_down_with_before_and_after(folder, system):
    process = create(folder, script_path="a.py")

    services.update_process(process, actor=system, priority=3)

    entry = AuditEntry.objects.about(process).first()
    assert (entry.before["priority"], entry.after["priority"]) == (0, 3)
    assert Process.objects.get(pk=process.pk).revision == 2


def test_a_change_leaves_what_another_changed_meanwhile(folder, system):
    process = create(folder, script_path="a.py")
    stale = Process.objects.get(pk=process.pk)
    services.disable_process(process, actor=system)

    services.update_process(stale, actor=system, priority=3)

    process.refresh_from_db()
    assert (process.priority, process.enabled) == (3, False)


def test_a_name_is_taken_once_per_folder(folder, system):
    create(folder, script_path="a.py")

    with pytest.raises(Conflict) as refusal:
        create(folder, script_path="b.py", name="INVOICES")
    assert refusal.value.code == "name_taken"


def test_switching_is_written_down_once(folder, system):
    process = create(folder, script_path="a.py")

    services.disable_process(process, actor=system, reason="broken")
    services.disable_process(process, actor=system)
    services.enable_process(process, actor=system)

    assert told(process) == ["process.created", "process.disabled", "process.enabled"]


def test_a_deleted_process_frees_its_name_and_keeps_its_history(folder, system):
    process = create(folder, script_path="a.py")

    services.delete_process(process, actor=system)

    assert process not in Process.objects.alive()
    assert create(folder, script_path="a.py")


def test_a_process_with_unfinished_jobs_stays(folder, system):
    process = create(folder, script_path="a.py")
    make.job(process)

    with pytest.raises(Conflict) as refusal:
        services.delete_process(process, actor=system)
    assert refusal.value.code == "has_jobs"


@pytest.mark.parametrize(
    "operation",
    [
        lambda process, actor: services.create_process(process.folder, actor=actor, name="x", script_path="a.py"),
        lambda process, actor: services.update_process(process, actor=actor, priority=1),
        lambda process, actor: services.upgrade_process(process, actor=actor),
        lambda process, actor: services.enable_process(process, actor=actor),
        lambda process, actor: services.disable_process(process, actor=actor),
        lambda process, actor: services.delete_process(process, actor=actor),
    ],
)
def test_who_may_only_look_may_not(folder, operation):
    process = create(folder, script_path="a.py")
    viewer = Actor.person(make.user("processes.view_process", inside=folder))

    with pytest.raises(NotAllowed):
        operation(process, viewer)


@pytest.mark.parametrize(("failures", "wait"), [(1, 10), (2, 20), (3, 40), (9, 600), (1000, 600)])
def test_waits_double_up_to_their_bound(failures, wait):
    assert rules.backoff_seconds(failures, base=10, cap=600, jitter=False) == wait


def test_a_spread_wait_lies_between_nothing_and_the_whole():
    waits = [rules.backoff_seconds(3, base=10, cap=600, jitter=True) for _ in range(200)]

    assert 0 <= min(waits) < max(waits) <= 40


@pytest.mark.parametrize(
    ("parameters", "name", "value"),
    [
        ({"c": "acme"}, "c", "acme"), ({"c": 7}, "c", "7"), ({"c": [1]}, "c", "[1]"), ({}, "c", ""),
        ({"c": "x"}, "", ""), ({"c": "x" * 300}, "c", "x" * 200),
    ],
)  # fmt: skip
def test_the_text_a_limit_counts_by(parameters, name, value):
    assert rules.limit_value(parameters, name) == value
