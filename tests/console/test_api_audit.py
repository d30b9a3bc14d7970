"""Asking for the audit trail: narrowed, counted, exported, and in the calls of existing clients."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.core import context
from apps.core.actors import Actor
from apps.rbac import services as rbac
from apps.rbac.models import Role
from tests import api, make

VIEW, EXPORT = "audit.view_auditentry", "audit.export_entry"


def write(action, target=None, *, actor=None, **facts):
    with transaction.atomic(), context.handling(context.RequestFacts("r-1", "192.0.2.7", "curl/8")):
        return audit.record(actor or Actor.system("sweep"), action, target, **facts)


def body(response):
    assert response.status_code == 200, response.whole
    return response.whole


def actions(answer):
    return [row["action"] for row in answer["items"]]


@pytest.fixture
def tenants():
    """A tenant with some entries, beside another one."""
    mine, other = make.tenant(), make.tenant()
    anna = Actor("person", str(uuid4()), "anna")
    write("test.created", mine, actor=anna, after={"name": "a"})
    write("test.updated", mine, before={"name": "a", "password": "x"}, after={"name": "b", "password": "y"})
    write("test.revealed", mine, reason="looked at it", outcome="refused")
    write("test.created", other)
    return mine, other, anna


@pytest.mark.django_db
def test_the_trail_is_narrowed_over_the_api(tenants):
    mine, _, _ = tenants
    reader = api.Caller(make.user(VIEW, inside=mine))

    def found(**asked):
        answer = reader.get("audit", {"search": "test.", **asked})
        return [row["action"] for row in answer.json()["items"]]

    assert found() == ["test.revealed", "test.updated", "test.created"]
    assert found(action_type="created") == ["test.created"]
    assert found(action_type="other") == ["test.revealed"]
    assert found(actor_name="ANN") == ["test.created"]
    assert found(search="looked at") == ["test.revealed"]
    assert found(target=str(mine.pk), outcome="done", target_kind="tenant") == ["test.updated", "test.created"]
    assert found(ts_after=(timezone.now() + timedelta(minutes=1)).isoformat()) == []
    assert reader.get("audit", {"action_type": "odd"}).status_code == 400


@pytest.mark.django_db
def test_existing_clients_page_through_the_trail_with_a_total(tenants):
    mine, other, anna = tenants
    reader = api.Caller(make.user(VIEW, inside=mine), key_in=mine)

    def ask(expected=200, **asked):
        answer = reader.client.get("/api/audit", {"search": "test.", **asked})
        assert answer.status_code == expected, answer.content
        return answer.json()

    first = ask(page_size=2)
    assert (first["total"], first["page"], first["page_size"]) == (3, 1, 2)
    assert actions(first) + actions(ask(page_size=2, page=2)) == ["test.revealed", "test.updated", "test.created"]
    row = first["items"][1]
    assert (row["actor_username"], row["action_type"], row["summary"]) == ("sweep", "modified", "name, password")
    assert (row["entity_type"], row["entity_display"], row["entity_id"]) == ("tenant", "tenant", str(mine.pk))
    assert set(row) == {
        "id", "timestamp", "actor_username", "action", "action_type", "entity_type", "entity_display", "entity_id",
        "entity_name", "message", "summary",
    }  # fmt: skip
    assert actions(ask(user="Anna")) == actions(ask(user_id=anna.id)) == ["test.created"]
    assert actions(ask(action_type="modified", entity_type="tenant", entity_id=str(mine.pk))) == ["test.updated"]
    assert actions(ask(**{"from": (timezone.now() + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")})) == []
    assert len(actions(ask(from_time="2020-01-01", to="2999-01-01T00:00:00Z"))) == 3
    for wrong in (
        {"page": 0},
        {"page_size": 501},
        {"page": 101, "page_size": 100},
        {"from": "soon"},
        {"entity_id": "7"},
    ):
        ask(400, **wrong)

    one = reader.client.get(f"/{mine.slug}/orchestrator_/audit/{row['id']}").json()
    assert (one["ip_address"], one["user_agent"], one["metadata"]["request_id"]) == ("192.0.2.7", "curl/8", "r-1")
    before, after = json.loads(one["before_data"]), json.loads(one["after_data"])
    assert (before["name"], after["name"]) == ("a", "b")
    assert before["password"] != after["password"]
    assert before["password"].startswith("hidden:")
    theirs = AuditEntry.objects.get(action="test.created", tenant_id=other.pk)
    assert reader.client.get(f"/api/audit/{theirs.pk}").status_code == 404


@pytest.mark.django_db
def test_the_trail_is_counted(tenants):
    mine, _, anna = tenants
    reader = api.Caller(make.user(VIEW, inside=mine))
    expected = list(AuditEntry.objects.filter(tenant_id=mine.pk))

    counted = reader.get("audit/statistics").json()

    assert counted["total"] == sum(one["count"] for one in counted["by_type"]) == len(expected)
    assert counted["refused"] == 1
    assert {"name": "test.updated", "count": 1} in counted["by_action"]
    assert [one for one in counted["by_actor"] if one["actor_name"] == "anna"] == [
        {"actor_kind": "person", "actor_id": anna.id, "actor_name": "anna", "count": 1}
    ]
    assert sum(one["count"] for one in counted["by_day"]) == len(expected)
    for wrong in ({"ts_after": "2020-01-01T00:00:00Z"}, {"tenant": "x"}, {"action": "test.created"}):
        assert reader.get("audit/statistics", wrong).status_code == 400
    assert reader.get("audit/statistics", {"tenant": str(make.tenant().pk)}).json()["total"] == 0


@pytest.mark.django_db
def test_the_trail_is_exported_as_it_is_narrowed_and_that_is_written_down(tenants):
    mine, _, _ = tenants
    write("test.formula", mine, reason="=1+1", after={"=cmd": "\t@x"})
    exporter, reader = api.Caller(make.user(VIEW, EXPORT, inside=mine)), api.Caller(make.user(VIEW, inside=mine))
    formulas = ["=a", "+a", "-a", "@a", "\ta", "\ra"]
    for text in formulas:
        write("test.odd", mine, reason=text)

    refused = reader.get("audit/export.csv")
    table = list(
        csv.DictReader(io.StringIO(body(exporter.get("audit/export.csv", {"search": "test."})).decode("utf-8-sig")))
    )
    lines = body(exporter.get("audit/export.jsonl", {"action": "test.odd"})).splitlines()

    assert refused.status_code == 403
    assert {row["tenant_id"] for row in table} == {str(mine.pk)}
    assert len(table) == 10
    assert [row["reason"] for row in table if row["action"] == "test.odd"] == [
        f"'{text}" for text in reversed(formulas)
    ]
    assert json.loads(next(row["after"] for row in table if row["action"] == "test.formula")) == {"=cmd": "\t@x"}
    assert [json.loads(line)["reason"] for line in lines] == formulas[::-1]
    told = AuditEntry.objects.filter(action="audit.exported").order_by("seq")
    assert [(one.tenant_id, one.after["format"]) for one in told] == [(mine.pk, "csv"), (mine.pk, "jsonl")]
    assert told[1].after["filters"] == {"action": "test.odd"}
    assert exporter.get("audit/export.csv", {"odd": 1}).status_code == 400


@pytest.mark.django_db
def test_a_long_trail_is_exported_in_constant_memory():
    tenant, count = make.tenant(), 50_000
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audit_auditentry (id, tenant_id, actor_kind, actor_id, actor_name, on_behalf_of, action, reason,
                target_kind, target_name, outcome, permission, request_id, agent, after)
            SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - n / 10), 12, '0') || '7000'
                    || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
                %s, 'system', 'x', 'x', '', 'test.made', repeat('y', 200), '', '', 'done', '', '', '', '{"a": 1}'
            FROM generate_series(1, %s) AS n
            """,
            [tenant.pk, count],
        )
    exporter = api.Caller(make.user(VIEW, EXPORT, inside=tenant))
    response = exporter.client.get(f"{api.ROOT}audit/export.jsonl", {"action": "test.made"})

    tracemalloc.start()
    ids = [hash(line[:50]) for line in response.streaming_content]
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (len(ids), len(set(ids))) == (count, count)
    assert highest < 40_000_000


@pytest.mark.django_db(transaction=True)
def test_heads_are_signed_and_of_what_one_may_see(tenants):
    mine, other, _ = tenants
    audit.seal_entries()
    reader, chief = api.Caller(make.user(VIEW, inside=mine)), api.Caller(make.user(superuser=True))

    own, all_of_them = reader.get("audit/heads").json(), chief.get("audit/heads").json()

    assert [head["tenant_id"] for head in own["items"]] == [str(mine.pk)]
    assert {str(mine.pk), str(other.pk)} <= {head["tenant_id"] for head in all_of_them["items"]}
    assert own["keys"][0]["name"] == own["items"][0]["key"]
    assert own["keys"][0]["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert api.Caller(make.user()).get("audit/heads").json()["items"] == []


@pytest.mark.django_db(transaction=True)
def test_h8_where_the_trail_cannot_be_written_nothing_is_changed():
    tenant = make.tenant()
    chief = api.Caller(make.user(superuser=True))
    chief.client.raise_request_exception = False
    role = rbac.create_role("before", actor=make.SYSTEM, tenant=tenant)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry ADD CONSTRAINT disk_is_full CHECK (action = '') NOT VALID")
    try:
        answers = [
            chief.patch(f"roles/{role.pk}", {"name": "after"}).status_code,
            chief.post("roles", {"name": "new", "tenant": str(tenant.pk)}).status_code,
            chief.delete(f"roles/{role.pk}").status_code,
        ]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_auditentry DROP CONSTRAINT disk_is_full")

    assert min(answers) >= 400
    assert list(Role.objects.filter(tenant=tenant).values_list("name", flat=True)) == ["before"]
