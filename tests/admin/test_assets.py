"""Pages of assets."""

from __future__ import annotations

import pytest

from apps.assets import services
from apps.assets.models import Asset
from apps.processes import services as processes
from tests import make
from tests.admin.visitors import list_of, new, page_of, superuser, text_of, with_permissions
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db


def secret(**fields) -> Asset:
    return make.asset(type="secret", value=None, secrets={"value": "hunter2-canary"}, **fields)


def test_what_it_is_is_asked_first():
    shown = text_of(superuser().get(new(Asset)))

    assert "?type=secret" in shown
    assert "?type=credential.oauth2" in shown


@pytest.mark.parametrize(
    ("kind", "typed", "value", "secrets"),
    [
        ("text", {"value": "hello"}, "hello", {}),
        ("boolean", {"value": "on"}, True, {}),
        ("json", {"value": "[1, 2]"}, [1, 2], {}),
        ("secret", {"value": "x"}, None, {"value": "x"}),
        ("credential.password", {"username": "ada", "password": "pw"}, {"username": "ada"}, {"password": "pw"}),
        ("credential.custom", {"value": '{"a": "1"}', "secrets": '{"pin": "2"}'}, {"a": "1"}, {"pin": "2"}),
    ],
)
def test_each_type_asks_for_what_it_has(kind, typed, value, secrets):
    folder = make.folder()
    asked = {"name": "Rate", "folder": folder.pk, "usable_by": "folder", "notice_days": 14, **typed}

    response = superuser().post(f"{new(Asset)}?type={kind}", asked)

    assert response.status_code == 302, text_of(response)
    [stored] = Asset.objects.get(folder=folder).values.all()
    assert (stored.value, stored.unseal()) == (value, secrets)


def test_what_is_left_out_is_named_beside_its_field():
    asked = {"name": "Bank", "folder": make.folder().pk, "usable_by": "folder", "notice_days": 14, "username": "ada"}

    response = superuser().post(f"{new(Asset)}?type=credential.password", asked)

    assert "password" in response.context["form"].errors


def test_no_page_shows_what_is_secret():
    asset = secret()
    visitor = superuser()

    pages = [visitor.open(asset), visitor.get(list_of(Asset)), visitor.get(page_of(asset, "set"))]

    assert ["hunter2-canary" in text_of(page) for page in pages] == [False] * 3
    assert "sealed" in text_of(pages[0])


def test_a_page_tells_what_it_is_worth_where_and_who_may_use_it():
    asset = secret(usable_by="listed")
    process = make.process(asset.folder, name="Payments")
    processes.update_process(process, actor=SYSTEM, may_use=[asset])
    robot = make.robot(of=asset.tenant)
    services.set_value(asset, actor=SYSTEM, secrets={"value": "y"}, place=services.Place(robot=robot))

    shown = text_of(superuser().open(asset))

    assert "everywhere else" in shown
    assert f"on the robot {robot.name}" in shown
    assert "Payments" in shown


def test_a_value_is_set_in_one_place_at_a_time():
    asset = make.asset(value="x")
    robot = make.robot(of=asset.tenant)
    visitor = superuser()

    both = visitor.post(page_of(asset, "set"), {"value": "y", "robot": robot.pk, "machine": robot.machine_id})
    one = visitor.post(page_of(asset, "set"), {"value": "y", "robot": robot.pk})

    assert "Choose one of folder, machine and robot" in text_of(both)
    assert one.status_code == 302
    assert asset.value_for(robot, asset.folder).value == "y"


def test_who_may_only_look_is_offered_nothing_else():
    asset = make.asset()
    visitor = with_permissions("assets.view_asset", inside=asset.tenant)

    assert visitor.open(asset).status_code == 200
    assert visitor.get(page_of(asset, "set")).status_code == 403
