"""Machines over the API."""

from __future__ import annotations

import pytest

from apps.robots import services as robots
from tests import api, make

pytestmark = pytest.mark.django_db


def test_a_machine_is_made_with_its_key_which_is_shown_once():
    root = api.root()

    made = root.post(
        "machines", {"name": "host-1", "labels": ["Linux", "gpu"]}, **{"X-Tenant": make.tenant().slug}
    ).json()

    read = root.get(f"machines/{made['id']}").json()
    assert made["machine_key"].startswith("bvm_")
    assert (read["labels"], read["is_bound"], read["robot_count"]) == (["gpu", "linux"], False, 0)
    assert "machine_key" not in read
    assert made["machine_key"].startswith(read["key"]["shown_as"].removesuffix("…"))


def test_a_machine_shows_its_host_and_its_robots():
    machine = make.machine()
    robots.meet_machine(machine, actor=make.SYSTEM, signature="host", info={"os": "Debian"})
    make.robot(machine)

    shown = api.root().get(f"machines/{machine.pk}").json()

    assert (shown["is_bound"], shown["robot_count"], shown["info"]) == (True, 1, {"os": "Debian"})
    assert shown["last_seen_at"] is not None


def test_what_a_change_leaves_out_stays():
    machine = make.machine(description="Cellar", labels=["linux"])

    changed = api.root().patch(f"machines/{machine.pk}", {"name": "host-2"}).json()

    assert (changed["name"], changed["description"], changed["labels"]) == ("host-2", "Cellar", ["linux"])


def test_a_change_that_names_nothing_is_refused():
    refused = api.root().patch(f"machines/{make.machine().pk}", {})

    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "nothing_to_change")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"labels": ["a b"]}, "labels"),
        ({"labels": "x"}, "labels"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong, field):
    refused = api.root().post("machines", {"name": "host", **wrong}, **{"X-Tenant": make.tenant().slug})

    assert api.fields_refused(refused) == {field}


def test_names_are_one_per_tenant():
    machine = make.machine(name="host-1")

    refused = api.root().post("machines", {"name": "HOST-1"}, **{"X-Tenant": machine.tenant.slug})

    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")


def test_a_machine_goes_after_its_robots():
    robot = make.robot()
    root = api.root()

    refused = root.delete(f"machines/{robot.machine_id}")
    root.delete(f"robots/{robot.pk}")
    deleted = root.delete(f"machines/{robot.machine_id}")

    assert (refused.status_code, refused.json()["code"]) == (409, "machine_has_robots")
    assert deleted.status_code == 204
    assert root.get(f"machines/{robot.machine_id}").status_code == 404


def test_machines_are_found_by_label():
    wanted = make.machine(labels=["gpu"])
    make.machine(labels=["linux"])

    assert api.ids(api.root().get("machines", {"label": "GPU"})) == [str(wanted.pk)]


def test_lists_take_as_many_queries_for_five_rows_as_for_one(django_assert_num_queries):
    tenant = make.tenant()
    for _ in range(5):
        make.robot(make.machine(tenant))
    root = api.root()

    with django_assert_num_queries(4):
        root.get("machines", {"page_size": 1})
    with django_assert_num_queries(4):
        root.get("machines", {"page_size": 5})
