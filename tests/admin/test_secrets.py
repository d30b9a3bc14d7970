"""Keys and tokens are shown in the answer to the request that made them, and nowhere else, ever."""

import re

import pytest
from django.contrib.sessions.models import Session

from apps.accounts.models import ApiToken
from apps.audit.models import AuditEntry
from apps.events.models import Event
from apps.robots.models import EnrolmentKey, Machine, MachineKey, Robot, RobotToken
from tests import make
from tests.admin import rows
from tests.admin.visitors import list_of, new, page_of, superuser, text_of

pytestmark = pytest.mark.django_db
TOKEN = re.compile(r"bv[mrtu]_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}")


def new_machine(visitor, place):
    return visitor.post(new(Machine), {"name": "host-1", "tenant": place.pk})


def new_key(visitor, place):
    return visitor.do(make.machine(place), "key")


def new_robot(visitor, place):
    return visitor.post(new(Robot), {"name": "robot-1", "machine": make.machine(place).pk, "slots": 1})


def new_token(visitor, place):
    return visitor.do(make.robot(of=place), "rotate")


def new_api_key(visitor, place):
    sent = {"name": "ci", "user": rows.user(place).pk, "tenant": place.pk, "life": 30}
    return visitor.post(new(ApiToken), sent)


def new_enrolment_key(visitor, place):
    return visitor.post(new(EnrolmentKey), {"name": "fleet", "tenant": place.pk, "slots": 1})


def new_enrolment_text(visitor, place):
    return visitor.do(make.enrolment_key(place), "replace")


SECRETS = pytest.mark.parametrize(
    ("make_secret", "model"),
    [
        (new_machine, Machine),
        (new_key, Machine),
        (new_enrolment_key, EnrolmentKey),
        (new_enrolment_text, EnrolmentKey),
        (new_robot, Robot),
        (new_token, Robot),
        (new_api_key, ApiToken),
    ],
)


@SECRETS
def test_it_stands_in_the_answer_which_nobody_may_keep(make_secret, model):
    response = make_secret(superuser(), make.tenant())

    assert response.status_code == 200
    assert len(set(TOKEN.findall(text_of(response)))) == 1
    assert "no-store" in response["Cache-Control"]


@SECRETS
def test_it_works(make_secret, model):
    (secret,) = set(TOKEN.findall(text_of(make_secret(superuser(), make.tenant()))))

    kinds = {"m": MachineKey, "t": EnrolmentKey, "r": RobotToken, "u": ApiToken}

    assert kinds[secret[2]].matching(secret) is not None


@SECRETS
def test_no_other_page_and_no_memory_of_ours_holds_it(make_secret, model):
    visitor = superuser()
    (secret,) = set(TOKEN.findall(text_of(make_secret(visitor, make.tenant()))))

    row = model.objects.latest("pk")
    shown = text_of(visitor.open(row)) + text_of(visitor.get(list_of(model))) + text_of(visitor.get("/admin/"))
    kept = [entry.get_decoded() for entry in Session.objects.all()]
    written = [*AuditEntry.objects.values_list("before", "after", "reason"), *Event.objects.values_list("data")]

    assert secret not in shown
    assert secret not in str(kept)
    assert secret not in str(written)
    assert secret not in str(visitor.client.cookies)


def test_the_command_to_type_names_this_server_and_the_key():
    response = new_machine(superuser(), make.tenant())

    (key,) = set(TOKEN.findall(text_of(response)))
    assert f"bv-robot enroll http://testserver --key {key}" in text_of(response)


def test_the_command_of_an_enrolment_key_starts_a_robot_that_enrols_by_itself():
    shown = text_of(new_enrolment_key(superuser(), make.tenant()))

    (key,) = set(TOKEN.findall(shown))
    assert f"ORCHESTRATOR_API_KEY={key} bv-robot run --url http://testserver" in shown


def test_making_a_new_key_warns_of_what_it_ends():
    machine = make.machine()

    shown = text_of(superuser().get(page_of(machine, "key")))

    assert "sessions of all its robots end" in shown


def test_loading_the_page_of_a_secret_again_leads_to_the_row_it_is_of():
    response = new_machine(superuser(), make.tenant())

    assert f'data-address="{page_of(Machine.objects.get())}"' in text_of(response)


def test_no_hash_of_a_secret_is_on_any_page():
    key = rows.api_key(make.tenant())
    robot, _ = make.robot_with_token()
    visitor = superuser()

    shown = text_of(visitor.open(key)) + text_of(visitor.open(robot)) + text_of(visitor.open(key.user))

    assert key.digest not in shown
    assert RobotToken.objects.get(robot=robot).digest not in shown
    assert key.user.password not in shown or not key.user.password
