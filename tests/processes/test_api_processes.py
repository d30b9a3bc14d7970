"""Processes over the API."""

from __future__ import annotations

import pytest

from apps.processes.models import Process
from tests import api, make

pytestmark = pytest.mark.django_db

SOURCE = "def main(customer: str, amount: int = 1):\n    return {}\n"


@pytest.fixture
def folder():
    """The folder in which everything is."""
    return make.folder(make.tenant())


@pytest.fixture
def version(folder):
    """A version whose entrypoint takes ``customer`` and ``amount``."""
    return make.package_version(folder, name="invoices", version="1.0.0", source=SOURCE)


def test_every_field_that_goes_in_comes_out(folder, version):
    robot, child = make.robot(of=folder.tenant), make.process(folder)
    asked = {
        "name": "Monthly invoices", "description": "All of them.", "package": str(version.package_id),
        "entrypoint_name": "main", "version_policy": "pinned", "pinned_version": str(version.pk), "script_path": "",
        "parameters": {"amount": 3}, "priority": 5, "timeout": 600, "start_by": 3600, "max_attempts": 3,
        "backoff_base": 5, "backoff_cap": 50, "backoff_jitter": False, "on_lost": "hold", "lease_ttl": 60,
        "kill_grace": 10, "required_labels": ["linux"], "target_machine": str(robot.machine_id),
        "target_robot": str(robot.pk), "concurrency_limit": 2, "limit_parameter": "customer", "limit_per_value": 1,
        "robot_version_floor": "1.2", "enabled": False, "folder": str(folder.pk), "memory_limit": 512, "cpu_limit": 0.5,
        "niceness": 10,
    }  # fmt: skip

    made = api.root().post("processes", {**asked, "may_start": [str(child.pk)]})

    body = made.json()
    assert body["may_start"] == [{"id": str(child.pk), "name": child.name}]
    shown = {name: value["id"] if isinstance(value := body[name], dict) and "id" in value else value for name in asked}
    assert made.status_code == 201
    assert shown == asked


def test_a_process_of_a_script_names_no_package(folder):
    made = api.root().post(
        "processes", {"name": "Old", "script_path": "jobs/old.py"}, **{"X-Folder-ID": str(folder.pk)}
    )

    assert (made.status_code, made.json()["package"], made.json()["version"]) == (201, None, None)


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"parameters": {"amount": "many"}}, {"parameters.amount"}),
        ({"parameters": {"colour": "red"}}, {"parameters.colour"}),
        ({"parameters": []}, {"parameters"}),
        ({"entrypoint_name": "other"}, {"entrypoint_name"}),
        ({"script_path": "also.py"}, {"package"}),
        ({"package": None}, {"package"}),
        ({"package": "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"}, {"package"}),
        ({"limit_parameter": "customer"}, {"limit_per_value"}),
        ({"limit_parameter": "colour", "limit_per_value": 1}, {"limit_parameter"}),
        ({"priority": 1001}, {"priority"}),
        ({"max_attempts": 0}, {"max_attempts"}),
        ({"timeout": 0}, {"timeout"}),
        ({"lease_ttl": 29}, {"lease_ttl"}),
        ({"on_lost": "forget"}, {"on_lost"}),
        ({"required_labels": ["not a label"]}, {"required_labels"}),
        ({"robot_version_floor": "new"}, {"robot_version_floor"}),
        ({"memory_limit": 15}, {"memory_limit"}),
        ({"cpu_limit": 0}, {"cpu_limit"}),
        ({"niceness": 20}, {"niceness"}),
        ({"niceness": -1}, {"niceness"}),
        ({"may_start": ["0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"]}, {"may_start.0"}),
        ({"version_policy": "pinned"}, {"pinned_version"}),
        ({"name": "   "}, {"name"}),
        ({"name": "a\u202eb"}, {"name"}),
    ],
)
def test_what_cannot_be_is_refused_by_name(version, wrong, fields):
    body = {"name": "One", "package": str(version.package_id), **wrong}

    refused = api.root().post("processes", body)

    assert api.fields_refused(refused) == fields


def test_naming_a_version_pins_to_it_and_to_the_newest_contradicts_it(version):
    root = api.root()
    body = {"package": version.package_id, "pinned_version": version.pk}

    pinned = root.post("processes", {**body, "name": "One"})
    refused = root.post("processes", {**body, "name": "Two", "version_policy": "newest"})

    assert pinned.json()["version_policy"] == "pinned"
    assert api.fields_refused(refused) == {"pinned_version"}


def test_a_change_that_names_a_version_pins_to_it_as_well(version):
    process = make.process(version.folder, package=version.package)
    root = api.root()

    pinned = root.patch(f"processes/{process.pk}", {"pinned_version": version.pk})
    refused = root.patch(f"processes/{process.pk}", {"pinned_version": version.pk, "version_policy": "newest"})
    loosened = root.patch(f"processes/{process.pk}", {"version_policy": "newest"})

    assert (pinned.json()["version_policy"], pinned.json()["pinned_version"]["id"]) == ("pinned", str(version.pk))
    assert api.fields_refused(refused) == {"pinned_version"}
    assert (loosened.json()["version_policy"], loosened.json()["pinned_version"]) == ("newest", None)


def test_a_process_that_turns_to_a_script_leaves_what_only_packages_have(version):
    process = make.process(version.folder, package=version.package, entrypoint_name="main")
    root = api.root()
    root.patch(f"processes/{process.pk}", {"pinned_version": version.pk})

    turned = root.patch(f"processes/{process.pk}", {"package": None, "script_path": "jobs/old.py"}).json()

    assert (turned["package"], turned["script_path"], turned["entrypoint_name"]) == (None, "jobs/old.py", "")
    assert (turned["version_policy"], turned["pinned_version"]) == ("newest", None)


def test_what_only_packages_have_is_refused_by_name_beside_a_script(version):
    body = {"name": "One", "script_path": "a.py", "pinned_version": version.pk, "entrypoint_name": "main"}

    refused = api.root().post("processes", body, **{"X-Folder-ID": str(version.folder_id)})

    assert api.fields_refused(refused) == {"version_policy", "pinned_version", "entrypoint_name"}


def test_rows_of_another_tenant_are_not_there(version):
    elsewhere = make.robot(of=make.tenant())
    body = {"name": "One", "package": version.package_id, "target_robot": elsewhere.pk}

    in_another = api.root().post("processes", body, **{"X-Tenant": version.tenant.slug})
    unseen = api.Caller(make.user("processes.add_process", "packages.view_package", inside=version.tenant)).post(
        "processes", body
    )

    assert api.fields_refused(in_another) == {"target_robot"}
    assert api.fields_refused(unseen) == {"target_robot"}


def test_what_a_change_leaves_out_stays(version):
    process = make.process(version.folder, package=version.package, priority=5, parameters={"amount": 3})

    changed = api.root().patch(f"processes/{process.pk}", {"description": "New"}).json()

    assert (changed["description"], changed["priority"], changed["parameters"]) == ("New", 5, {"amount": 3})
    assert changed["revision"] == process.revision + 1


def test_defaults_that_a_newer_version_no_longer_takes_stop_only_changes_about_them(version):
    process = make.process(version.folder, package=version.package, parameters={"amount": 3})
    make.package_version(version.folder, name="invoices", version="2.0.0", source="def main(total: int = 1): ...\n")
    root = api.root()

    renamed = root.patch(f"processes/{process.pk}", {"name": "Renamed"})
    refused = root.patch(f"processes/{process.pk}", {"parameters": {"amount": 4}})

    assert renamed.status_code == 200
    assert api.fields_refused(refused) == {"parameters.amount"}


def test_two_changes_at_once_do_not_undo_each_other(version):
    process = make.process(version.folder, package=version.package)
    Process.objects.filter(pk=process.pk).update(enabled=False)
    stale = Process.objects.get(pk=process.pk)
    stale.enabled = True

    changed = api.root().patch(f"processes/{process.pk}", {"priority": 9}).json()

    assert (changed["enabled"], changed["priority"]) == (False, 9)


def test_a_pinned_process_shows_that_a_newer_version_is_there_and_is_upgraded(version):
    process = make.process(version.folder, package=version.package, version_policy="pinned", pinned_version=version)
    newer = make.package_version(version.folder, name="invoices", version="1.1.0", source=SOURCE)
    root = api.root()

    before = root.get(f"processes/{process.pk}").json()
    after = root.post(f"processes/{process.pk}/upgrade").json()
    back = root.post(f"processes/{process.pk}/upgrade", {"version": version.pk}).json()

    assert (before["upgrade_available"], before["latest_version"]["version"]) == (True, "1.1.0")
    assert (after["version"]["id"], after["upgrade_available"]) == (str(newer.pk), False)
    assert (back["version"]["version"], back["upgrade_available"]) == ("1.0.0", True)


def test_versions_are_compared_as_numbers(version):
    nine = make.package_version(version.folder, name="invoices", version="1.9.0", source=SOURCE)
    make.package_version(version.folder, name="invoices", version="1.10.0", source=SOURCE)
    process = make.process(version.folder, package=version.package, version_policy="pinned", pinned_version=nine)

    shown = api.root().get(f"processes/{process.pk}").json()

    assert (shown["latest_version"]["version"], shown["upgrade_available"]) == ("1.10.0", True)


def test_a_process_that_takes_the_newest_has_nothing_to_upgrade(version):
    process = make.process(version.folder, package=version.package)
    make.package_version(version.folder, name="invoices", version="1.1.0", source=SOURCE)

    shown = api.root().get(f"processes/{process.pk}").json()

    assert (shown["version"]["version"], shown["upgrade_available"]) == ("1.1.0", False)


def test_an_upgrade_whose_defaults_do_not_fit_is_refused(version):
    process = make.process(
        version.folder,
        package=version.package,
        version_policy="pinned",
        pinned_version=version,
        parameters={"amount": 3},
    )
    make.package_version(version.folder, name="invoices", version="2.0.0", source="def main(total: int = 1): ...\n")

    refused = api.root().post(f"processes/{process.pk}/upgrade")

    assert api.fields_refused(refused) == {"parameters.amount"}


def test_a_version_of_another_package_is_refused(version):
    process = make.process(version.folder, package=version.package)

    refused = api.root().post(f"processes/{process.pk}/upgrade", {"version": make.package_version(version.folder).pk})

    assert api.fields_refused(refused) == {"pinned_version"}


def test_a_disabled_process_takes_no_jobs_until_it_is_enabled(version):
    process = make.process(version.folder, package=version.package)
    root = api.root()
    body = {"process": process.pk, "parameters": {"customer": "x"}}

    root.post(f"processes/{process.pk}/disable", {"reason": "holidays"})
    refused = root.post("jobs", body)
    root.post(f"processes/{process.pk}/enable")
    made = root.post("jobs", body)

    assert (refused.status_code, refused.json()["code"]) == (409, "process_disabled")
    assert made.status_code == 201


def test_a_process_with_unfinished_jobs_stays(version):
    process = make.process(version.folder, package=version.package)
    job = make.job(process, parameters={"customer": "x"})
    root = api.root()

    refused = root.delete(f"processes/{process.pk}")
    root.post(f"jobs/{job.pk}/cancel")
    deleted = root.delete(f"processes/{process.pk}")

    assert (refused.status_code, refused.json()["code"]) == (409, "has_jobs")
    assert deleted.status_code == 204
    assert root.get(f"processes/{process.pk}").status_code == 404
    assert root.get(f"jobs/{job.pk}").status_code == 200


def test_a_signature_tells_what_a_job_takes_now(version):
    process = make.process(version.folder, package=version.package, parameters={"amount": 3})

    told = api.root().get(f"processes/{process.pk}/signature").json()

    assert (told["version"]["version"], told["entrypoint"]) == ("1.0.0", "main")
    assert told["defaults"] == {"amount": 3}
    assert told["input_schema"]["required"] == ["customer"]


def test_a_process_whose_package_has_no_active_version_says_so(version):
    process = make.process(version.folder, package=version.package)
    root = api.root()
    root.post(f"package-versions/{version.pk}/deactivate")

    shown = root.get(f"processes/{process.pk}").json()
    refused = root.get(f"processes/{process.pk}/signature")

    assert (shown["version"], shown["latest_version"]) == (None, None)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_run")


def test_processes_are_found_by_name_package_and_state(version):
    wanted = make.process(version.folder, package=version.package, name="Invoices")
    make.process(version.folder, name="Reports", enabled=False)
    root = api.root()

    assert api.ids(root.get("processes", {"name": "voice"})) == [str(wanted.pk)]
    assert api.ids(root.get("processes", {"package": version.package_id})) == [str(wanted.pk)]
    assert api.ids(root.get("processes", {"enabled": "true"})) == [str(wanted.pk)]


def test_lists_take_as_many_queries_for_five_rows_as_for_one(folder, django_assert_num_queries):
    for _ in range(5):
        version = make.package_version(folder)
        make.process(folder, package=version.package, version_policy="pinned", pinned_version=version)
    root = api.root()

    with django_assert_num_queries(5):
        root.get("processes", {"page_size": 1})
    with django_assert_num_queries(5):
        root.get("processes", {"page_size": 5})
