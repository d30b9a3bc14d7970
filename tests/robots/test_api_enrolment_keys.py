"""Enrolment keys over the API."""

from __future__ import annotations

import pytest

from apps.robots import services as robots
from apps.robots.models import EnrolmentKey
from tests import api, make
from tests.robots.test_enrolling import enrol

pytestmark = pytest.mark.django_db


def test_a_key_is_made_and_its_text_shown_once():
    of, root = make.tenant(), api.root()

    made = root.post(
        "enrolment-keys",
        {"name": "fleet", "labels": ["GPU"], "networks": ["10.1.2.3/16"], "most_uses": 2, "folders": []},
        **{"X-Tenant": of.slug},
    )

    read = root.get(f"enrolment-keys/{made.json()['id']}").json()
    text = made.json()["enrolment_key"]
    assert (made.status_code, made.headers["Location"]) == (201, f"/api/v1/enrolment-keys/{read['id']}")
    assert EnrolmentKey.matching(text).tenant == of
    assert "enrolment_key" not in read
    assert (read["status"], read["uses_left"], read["networks"], read["labels"]) == (
        "live",
        2,
        ["10.1.0.0/16"],
        ["gpu"],
    )
    assert text.startswith(read["shown_as"].removesuffix("…"))


def test_a_key_counts_its_machines():
    key, text = make.enrolment_key_with_text(most_uses=5)
    robot, _ = enrol(text)
    enrol(text, "host-2", name="r2")
    robots.delete_robot(robot, actor=make.SYSTEM)
    robots.delete_machine(robot.machine, actor=make.SYSTEM)

    shown = api.root().get(f"enrolment-keys/{key.pk}").json()

    assert (shown["uses"], shown["uses_left"], shown["machine_count"]) == (2, 3, 1)


def test_a_machine_is_found_by_the_key_that_made_it():
    key, text = make.enrolment_key_with_text()
    robot, _ = enrol(text)
    make.machine(key.tenant)

    assert api.ids(api.root().get("machines", {"made_by": key.pk})) == [str(robot.machine_id)]


def test_a_change_a_new_text_and_the_end():
    key, old = make.enrolment_key_with_text(most_uses=2)
    root = api.root()

    changed = root.patch(f"enrolment-keys/{key.pk}", {"most_uses": None}).json()
    replaced = root.post(f"enrolment-keys/{key.pk}/replace").json()["enrolment_key"]
    before = [EnrolmentKey.matching(old), EnrolmentKey.matching(replaced)]
    revoked = root.post(f"enrolment-keys/{key.pk}/revoke", {"reason": "leaked"}).json()

    assert (changed["most_uses"], changed["uses_left"]) == (None, None)
    assert before == [None, key]
    assert (revoked["status"], EnrolmentKey.matching(replaced)) == ("revoked", None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"labels": ["a b"]}, "labels"),
        ({"networks": ["somewhere"]}, "networks"),
        ({"networks": "10.0.0.0/8"}, "networks"),
        ({"slots": 65}, "slots"),
        ({"most_uses": 0}, "most_uses"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"uses": 7}, "uses"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong, field):
    refused = api.root().post("enrolment-keys", {"name": "fleet", **wrong}, **{"X-Tenant": make.tenant().slug})

    assert api.fields_refused(refused) == {field}


def test_a_revoked_key_cannot_be_changed():
    key = make.enrolment_key()
    robots.revoke_enrolment_key(key, actor=make.SYSTEM)

    refused = api.root().patch(f"enrolment-keys/{key.pk}", {"slots": 2})

    assert (refused.status_code, refused.json()["code"]) == (409, "key_revoked")


def test_keys_are_found_by_name_label_and_whether_they_work():
    live, ended = make.enrolment_key(name="alpha", labels=["gpu"]), make.enrolment_key(name="beta")
    robots.revoke_enrolment_key(ended, actor=make.SYSTEM)
    root = api.root()

    assert api.ids(root.get("enrolment-keys", {"name": "alp"})) == [str(live.pk)]
    assert api.ids(root.get("enrolment-keys", {"label": "GPU"})) == [str(live.pk)]
    assert api.ids(root.get("enrolment-keys", {"live": "true"})) == [str(live.pk)]
    assert api.ids(root.get("enrolment-keys", {"live": "false"})) == [str(ended.pk)]


def test_keys_of_another_tenant_are_not_there():
    key, ours = make.enrolment_key(), make.tenant()
    caller = api.Caller(make.user("robots.view_enrolmentkey", "robots.delete_enrolmentkey", inside=ours))

    assert api.ids(caller.get("enrolment-keys")) == []
    assert caller.get(f"enrolment-keys/{key.pk}").status_code == 404
    assert caller.post(f"enrolment-keys/{key.pk}/revoke").status_code == 404


def test_folders_that_one_may_not_see_are_not_named():
    key = make.enrolment_key(of := make.tenant(), folders=[make.folder(of)])
    caller = api.Caller(make.user("robots.view_enrolmentkey", inside=of))

    assert caller.get(f"enrolment-keys/{key.pk}").json()["folders"] == []
    assert api.root().get(f"enrolment-keys/{key.pk}").json()["folders"][0]["name"] == "Shared"


def test_lists_take_as_many_queries_for_five_rows_as_for_one(django_assert_num_queries):
    of = make.tenant()
    for _ in range(5):
        make.enrolment_key(of, folders=[make.folder(of)])
    root = api.root()

    with django_assert_num_queries(4):
        root.get("enrolment-keys", {"page_size": 1})
    with django_assert_num_queries(4):
        root.get("enrolment-keys", {"page_size": 5})
