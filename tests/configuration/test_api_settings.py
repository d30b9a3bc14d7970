"""Settings over the API, in the shape that existing clients know."""

import pytest

from apps.configuration import services
from apps.configuration.models import Setting
from tests import api, make

pytestmark = pytest.mark.django_db
JOBS = "jobs_retention_days"


def test_groups_are_read_by_their_names():
    everything = api.root().get("settings").json()
    one = api.root().get("settings/retention").json()

    assert list(everything) == ["general", "security", "jobs", "email", "logging", "retention"]
    assert everything["retention"] == one
    assert one[JOBS] == 30


def test_a_group_is_changed_and_answered():
    answer = api.root().call("PUT", "settings/retention", {JOBS: 7, "audit_logs_retention_days": 365})

    assert answer.status_code == 200
    assert answer.json()[JOBS] == 7
    assert api.root().get("settings/retention").json() == answer.json()


def test_an_unknown_group_is_a_bad_request():
    assert api.fields_refused(api.root().get("settings/weather")) == {"group"}
    assert api.fields_refused(api.root().call("PUT", "settings/weather", {})) == {"group"}


def test_each_wrong_key_is_named():
    answer = api.root().call("PUT", "settings/retention", {JOBS: 0, "other": 1})

    assert api.fields_refused(answer) == {JOBS, "other"}


@pytest.mark.parametrize("body", [[], "text", 3, [{JOBS: 3}]])
def test_anything_but_an_object_is_refused(body):
    assert api.root().call("PUT", "settings/retention", body).status_code == 400


def test_a_key_of_a_tenant_reads_and_sets_what_holds_there():
    mine = make.tenant()
    account = make.service_account(mine, "configuration.view_setting", "configuration.change_setting")
    caller = api.Caller(account, key_in=mine)

    answer = caller.call("PUT", "settings/retention", {JOBS: 7})

    assert answer.status_code == 200, answer.content
    assert caller.get("settings").json()["retention"][JOBS] == 7
    assert api.root().get("settings/retention").json()[JOBS] == 30
    assert api.root().get("settings/retention", **{"X-Tenant": mine.slug}).json()[JOBS] == 7


def test_who_sees_the_installation_names_a_tenant_by_the_header():
    mine = make.tenant()

    answer = api.root().call("PUT", "settings/retention", {"events_retention_days": 3}, **{"X-Tenant": mine.slug})

    assert api.fields_refused(answer) == {"events_retention_days"}


def test_looking_is_not_changing():
    caller = api.Caller(make.user("configuration.view_setting"))

    assert caller.get("settings/retention").status_code == 200
    assert caller.call("PUT", "settings/retention", {JOBS: 7}).status_code in (400, 403)
    assert services.change_settings("retention", actor=make.SYSTEM, values={})[JOBS] == 30


def test_who_holds_nothing_reads_nothing():
    mine = make.tenant()
    caller = api.Caller(make.service_account(mine), key_in=mine)

    answer = caller.get("settings")

    assert answer.status_code == 403
    assert "configuration.view_setting" in answer.json()["detail"]


def test_existing_clients_find_it_at_their_addresses(client):
    mine = make.tenant()
    key = make.api_key(make.service_account(mine, "configuration.view_setting"), mine)
    headers = {"Authorization": f"Bearer {key}"}

    assert client.get("/api/settings/retention/", headers=headers).json()["queue_items_retention_days"] == 90
    assert client.get(f"/{mine.slug}/orchestrator_/settings", headers=headers).json()["retention"][JOBS] == 30


def test_what_is_sent_back_whole_keeps_the_password_of_the_mail_server():
    read = api.root().get("settings/email").json()
    assert read == {
        "enabled": False, "smtp_host": "", "smtp_port": 587, "smtp_username": "", "smtp_password": "",
        "smtp_use_tls": False, "smtp_use_ssl": False, "from_address": "", "smtp_password_set": False,
    }  # fmt: skip

    wanted = {**read, "smtp_host": "mail.example.com", "smtp_username": "bv", "smtp_password": "opensesame!"}
    told = api.root().call("PUT", "settings/email", wanted).json()

    assert told == {**wanted, "smtp_password": "********", "smtp_password_set": True}
    assert api.root().call("PUT", "settings/email", {**told, "smtp_port": 2525}).json() == {**told, "smtp_port": 2525}
    assert Setting.objects.secret("email", "smtp_password") == "opensesame!"


def test_how_mail_leaves_is_told_to_no_tenant():
    mine = make.tenant()
    account = make.service_account(mine, "configuration.view_setting", "configuration.change_setting")
    caller = api.Caller(account, key_in=mine)

    assert "email" not in caller.get("settings").json()
    assert caller.get("settings/email").status_code == 403
    assert api.fields_refused(caller.call("PUT", "settings/email", {"smtp_host": "evil.example"})) == {"smtp_host"}
