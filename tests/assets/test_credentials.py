"""Credentials: a resource of their own, with the fields of their kind or of a schema of one's own."""

from __future__ import annotations

import pytest

from apps.core.errors import Invalid
from tests import api, make
from tests.admin.visitors import new, page_of, superuser, text_of

pytestmark = pytest.mark.django_db

SCHEMA = {
    "properties": {
        "account": {"type": "string"},
        "pin": {"type": "string", "pattern": "^[0-9]{4}$", "writeOnly": True},
        "hint": {"type": "string"},
    },
    "required": ["account", "pin"],
}


def custom(**fields):
    facts = {"kind": "custom", "schema": SCHEMA, "value": {"account": "7"}, "secrets": {"pin": "1234"}}
    return make.credential(**facts | fields)


def test_e9_credentials_are_made_read_changed_and_deleted_without_what_is_secret():
    folder, caller = make.folder(), api.root()
    login = {"value": {"username": "ada"}, "secrets": {"password": "hunter2-canary"}}
    body = {"name": "Bank", "folder": folder.pk, "kind": "password", "expires_at": "2026-01-01T00:00:00Z", **login}
    process = make.process(folder, name="Payments")
    make.asset(folder, name="Rate")

    made = caller.post("credentials", body)
    address = f"credentials/{made.json()['id']}"
    listed = caller.patch(f"processes/{process.pk}", {"may_use": [made.json()["id"]]})
    changed = caller.patch(address, {"notice_days": 3, "expires_at": None})
    value = caller.post(f"{address}/set-value", {"value": {"username": "eve"}, "secrets": {"password": "other-canary"}})
    rows = caller.get("credentials", {"folder": str(folder.pk)})
    users = caller.get(f"{address}/used-by")

    assert (made.status_code, listed.status_code, changed.status_code) == (201, 200, 200), made.content
    assert made.headers["Location"] == f"/api/v1/{address}"
    assert (made.json()["kind"], made.json()["expiry"]) == ("password", "expired")
    assert (changed.json()["notice_days"], changed.json()["expiry"]) == (3, "lasting")
    assert value.json()["value"] == {"username": "eve"}
    assert (value.json()["secret_fields"], value.json()["changed_by"]) == (["password"], f"person {caller.person}")
    assert [row["name"] for row in rows.json()["items"]] == ["Bank"]
    assert [row["name"] for row in users.json()["items"]] == ["Payments"]
    assert b"canary" not in b"".join(one.content for one in (made, changed, value, rows, users))
    assert api.fields_refused(caller.post("credentials", {"name": "x", "folder": folder.pk})) == {"kind"}
    assert caller.delete(address).status_code == 204
    assert caller.get(address).status_code == 404


def test_an_asset_that_is_no_credential_is_not_one_of_them():
    asset = make.asset()

    assert api.root().get(f"credentials/{asset.pk}").status_code == 404


def test_what_may_not_be_seen_is_not_there_and_users_of_others_are_not_told():
    credential = make.credential()
    process = make.process(make.folder(credential.tenant))
    api.root().patch(f"processes/{process.pk}", {"may_use": [credential.pk]})
    looker = api.Caller(make.user("assets.view_asset", inside=credential.folder))
    stranger = api.Caller(make.user("assets.view_asset", inside=make.folder()))

    assert looker.get(f"credentials/{credential.pk}/used-by").json()["items"] == []
    assert stranger.get(f"credentials/{credential.pk}").status_code == 404


class TestAKindOfOnesOwn:
    def test_has_the_fields_that_its_schema_names(self):
        credential = custom()

        assert credential.values.get().unseal() == {"pin": "1234"}
        assert credential.fields.secret == ("pin",)
        assert api.root().get(f"credentials/{credential.pk}").json()["secret_fields"] == ["pin"]

    @pytest.mark.parametrize(
        ("value", "secrets", "wrong"),
        [
            ({"account": "7"}, {"pin": "12-canary"}, "pin"),
            ({"account": "7", "pin": "1234"}, {}, "pin"),
            ({"account": "7"}, {}, "pin"),
            ({"account": "7", "other": "1"}, {"pin": "1234"}, "other"),
            ({"account": "7"}, {"pin": "1234", "hint": "x"}, "hint"),
        ],
    )
    def test_h4_is_refused_by_field_and_never_with_what_is_in_it(self, value, secrets, wrong):
        with pytest.raises(Invalid) as refused:
            custom(value=value, secrets=secrets)

        assert [problem.field for problem in refused.value.problems] == [wrong]
        assert "canary" not in str(refused.value)

    @pytest.mark.parametrize(
        ("kind", "schema", "reason"),
        [
            ("password", SCHEMA, "of the kind custom"),
            ("custom", [], "an object"),
            ("custom", {}, "properties"),
            ("custom", {"properties": {}}, "properties"),
            ("custom", {"properties": {"a": {"type": "integer"}}}, "texts"),
            ("custom", {"properties": {"a": {"type": "string"}}, "required": ["b"]}, "does not name: b"),
            ("custom", {"properties": 7}, "no JSON Schema"),
            ("custom", {"properties": {"a": {"type": "string", "$ref": "https://x.example/"}}}, "no JSON Schema"),
        ],
        ids=str,
    )
    def test_is_refused_where_its_schema_is_none(self, kind, schema, reason):
        with pytest.raises(Invalid, match=reason):
            make.credential(kind=kind, schema=schema)

    def test_is_asked_for_field_by_field_in_the_admin(self):
        credential, visitor = custom(), superuser()

        form = text_of(visitor.get(page_of(credential, "set")))
        asked = {"account": "8", "pin": "12"}
        refused = visitor.post(page_of(credential, "set"), asked)
        done = visitor.post(page_of(credential, "set"), asked | {"pin": "4321"})

        assert 'name="pin"' in form
        assert "schema" in text_of(visitor.get(f"{new(type(credential))}?type=credential.custom"))
        assert "pin" in refused.context["form"].errors
        assert done.status_code == 302
        assert credential.values.get().unseal() == {"pin": "4321"}
