"""The page of settings."""

import pytest
from django.urls import reverse

from apps.configuration.models import Setting
from tests import make
from tests.admin.visitors import Visitor, holding, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db
JOBS = "jobs_retention_days"


@pytest.fixture
def page():
    return reverse("admin:settings")


def filled(tenant=None, **values):
    shown = Setting.objects.in_force("retention", tenant.pk if tenant else None)
    return {"group": "retention", **shown, **values}


def in_force(tenant=None):
    return Setting.objects.in_force("retention", tenant.pk if tenant else None)


def test_it_says_what_each_key_is_for_and_what_holds_without(page):
    text = text_of(superuser().get(page))

    assert "Files that jobs left" in text
    assert "Empty: 400 days" in text


def test_what_is_typed_holds(page):
    answer = superuser().post(page, filled(**{JOBS: 7}))

    assert answer.status_code == 302
    assert in_force()[JOBS] == 7


def test_a_switch_that_is_not_ticked_is_off(page):
    values = filled()
    del values["retention_enabled"]

    superuser().post(page, values)

    assert in_force()["retention_enabled"] is False


def test_an_empty_field_takes_back_what_was_set(page):
    superuser().post(page, filled(**{JOBS: 7}))

    superuser().post(page, filled(**{JOBS: ""}))

    assert in_force()[JOBS] == 30


def test_a_number_out_of_bounds_is_told_at_its_field(page):
    answer = superuser().post(page, filled(**{JOBS: 0}))

    assert answer.status_code == 200
    assert "greater than or equal to 1" in text_of(answer)
    assert in_force()[JOBS] == 30


def test_a_tenants_administrator_sets_what_holds_there_alone(page):
    mine, other = make.tenant(), make.tenant()
    visitor = holding("Administrator", mine)

    shown = text_of(visitor.get(page))
    answer = visitor.post(page, {"group": "retention", JOBS: 60})

    assert "Empty: 30 days, as the installation says." in shown
    assert "Events" not in shown.split("How long things are kept")[-1].split("Save")[0]
    assert answer.status_code == 302
    assert (in_force(mine)[JOBS], in_force(other)[JOBS], in_force()[JOBS]) == (60, 30, 30)


def test_another_tenants_settings_are_not_there(page):
    mine, other = make.tenant(), make.tenant()

    assert holding("Administrator", mine).get(page, tenant=str(other.pk)).status_code == 404
    assert superuser().get(page, tenant="weather").status_code == 404
    assert superuser().get(page, tenant=str(other.pk)).status_code == 200


def test_who_may_only_look_can_save_nothing(page):
    visitor = with_permissions("configuration.view_setting")

    shown = visitor.get(page)
    visitor.post(page, filled(**{JOBS: 7}))

    assert "change nothing here" in text_of(shown)
    assert in_force()[JOBS] == 30


def test_who_holds_nothing_is_refused(page):
    assert Visitor(make.user()).get(page).status_code == 403


def test_a_secret_is_shown_as_set_and_never_shown(page):
    fields = {"group": "email", "smtp_username": "bv", "smtp_port": 587}
    refused = superuser().post(page, {**fields, "smtp_password": "opensesame!", "from_address": "nobody"})
    superuser().post(page, {**fields, "smtp_password": "opensesame!"})
    shown = superuser().get(page)
    superuser().post(page, {**fields, "smtp_password": "********", "smtp_use_tls": "on"})

    assert refused.status_code == 200
    assert b"opensesame" not in refused.content + shown.content
    assert b'value="********"' in shown.content
    assert Setting.objects.secret("email", "smtp_password") == "opensesame!"
    assert Setting.objects.in_force("email")["smtp_use_tls"] is True


def test_texts_to_hide_stand_one_on_each_line(page):
    superuser().post(page, {"group": "logging", "level": "", "mask_patterns": "sk-live-*\n\n hunter2 \n"})

    assert Setting.objects.in_force("logging")["mask_patterns"] == ["sk-live-*", "hunter2"]
    assert "sk-live-*\nhunter2" in superuser().get(page).content.decode()
