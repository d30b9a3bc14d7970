"""Following events, and reading the audit trail, over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.console.views import events as door
from apps.jobs import services as jobs
from apps.tenancy import services as tenancy
from tests import api, make

#: Events are read once their transaction has ended.
pytestmark = pytest.mark.django_db(transaction=True)


def types(page) -> list[str]:
    assert page.status_code == 200, page.content
    return [event["type"] for event in page.json()["items"]]


def of_jobs(caller: api.Caller, **query: str):
    """A page of what happened to jobs."""
    return caller.get("events", {"types": "job.created,job.cancelled", **query})


def test_following_the_cursor_gives_every_event_once():
    process = make.process()
    root = api.root()
    job = make.job(process)
    make.job(process)

    first = of_jobs(root, limit="1")
    second = of_jobs(root, after=first.json()["cursor"])
    jobs.cancel_job(job, actor=make.SYSTEM)
    third = of_jobs(root, after=second.json()["cursor"])

    assert (types(first), types(second), types(third)) == (["job.created"], ["job.created"], ["job.cancelled"])
    assert (first.json()["more"], third.json()["more"]) == (True, False)


def test_an_event_says_what_happened_to_what():
    job = make.job()

    (event,) = of_jobs(api.root(), tenant=str(job.tenant_id)).json()["items"]

    assert (event["type"], event["subject"]) == ("job.created", {"kind": "job", "id": str(job.pk)})
    assert (event["tenant_id"], event["folder_id"]) == (str(job.tenant_id), str(job.folder_id))
    assert event["data"]["process"] == str(job.process_id)


def test_a_reader_who_wants_only_what_comes_begins_at_the_newest():
    process = make.process()
    make.job(process)
    root = api.root()

    begun = of_jobs(root, after="newest").json()
    job = make.job(process)

    assert begun["items"] == []
    assert [event["subject"]["id"] for event in of_jobs(root, after=begun["cursor"]).json()["items"]] == [str(job.pk)]


def test_nobody_reads_of_other_tenants():
    mine, other = make.process(), make.process()
    make.job(mine)
    make.job(other)
    somebody = api.Caller(make.user("events.view_event", inside=mine.tenant))

    tenants = {event["tenant_id"] for event in somebody.get("events", {"limit": "1000"}).json()["items"]}

    assert tenants == {str(mine.tenant_id)}


def test_somebody_of_a_folder_reads_what_happens_in_it():
    process = make.process()
    inner = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Inner")
    make.job(process)
    job = make.job(make.process(inner))
    somebody = api.Caller(make.user("events.view_event", inside=inner))

    assert [event["subject"]["id"] for event in of_jobs(somebody).json()["items"]] == [str(job.pk)]


def test_a_reader_to_whom_little_belongs_goes_on_in_steps(monkeypatch):
    monkeypatch.setattr(door, "WALK", 5)
    process = make.process()
    for _ in range(12):
        make.job(process)
    job = make.job(make.process())
    somebody = api.Caller(make.user("events.view_event", inside=job.tenant))
    begun = "1.0.0"

    steps = []
    while not steps or steps[-1]["more"]:
        steps.append(of_jobs(somebody, after=steps[-1]["cursor"] if steps else begun).json())

    assert len(steps) > 3
    assert [event["subject"]["id"] for step in steps for event in step["items"]] == [str(job.pk)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"after": "x"}, "cursor"), ({"after": "1.2"}, "cursor"), ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"), ({"types": ","}, "types"), ({"tenant": "7"}, "tenant"),
        ({"type": "job.created"}, "type"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_by_name(query, field):
    assert api.fields_refused(api.root().get("events", query)) == {field}


def test_a_cursor_from_a_later_life_of_the_database_is_a_conflict():
    refused = api.root().get("events", {"after": "99.0.0"})

    assert (refused.status_code, refused.json()["code"]) == (409, "cursor_ahead")


class TestAudit:
    def test_an_entry_says_who_did_what_and_what_changed(self):
        process = make.process()
        root = api.root()

        root.patch(f"processes/{process.pk}", {"priority": 7}, **{"X-Request-ID": "asked-by-ann"})

        (entry,) = root.get("audit", {"target": process.pk, "action": "process.updated"}).json()["items"]
        assert (entry["actor_name"], entry["actor_kind"]) == (root.person.username, "person")
        assert (entry["before"]["priority"], entry["after"]["priority"]) == (0, 7)
        assert (entry["request_id"], entry["outcome"]) == ("asked-by-ann", "done")
        assert root.get(f"audit/{entry['id']}").json() == entry

    def test_nobody_reads_of_other_tenants_or_of_the_installation(self):
        mine, other = make.tenant(), make.tenant()
        auditor = api.Caller(make.user("audit.view_auditentry", inside=mine))
        root = api.root()

        tenants = {entry["tenant_id"] for entry in auditor.get("audit", {"page_size": 200}).json()["items"]}

        assert tenants == {str(mine.pk)}
        (entry, *_) = root.get("audit", {"tenant": other.pk}).json()["items"]
        assert auditor.get(f"audit/{entry['id']}").status_code == 404

    def test_who_sees_everything_sees_acts_on_the_installation_too(self):
        root = api.root()

        entries = root.get("audit", {"action": "user.created", "target": root.person.pk}).json()["items"]

        assert [entry["tenant_id"] for entry in entries] == [None]

    def test_who_may_not_read_it_finds_nothing(self):
        tenant = make.tenant()
        viewer = api.Caller(make.user("jobs.view_job", inside=tenant))

        assert api.ids(viewer.get("audit")) == []

    def test_entries_are_found_by_moment_and_outcome(self):
        tenant = make.tenant()
        root = api.root()
        before = (timezone.now() - timedelta(hours=1)).isoformat()

        assert len(api.ids(root.get("audit", {"tenant": tenant.pk, "ts_after": before}))) > 0
        assert api.ids(root.get("audit", {"tenant": tenant.pk, "ts_before": before})) == []
        assert api.ids(root.get("audit", {"tenant": tenant.pk, "outcome": "refused"})) == []

    def test_entries_come_in_pages(self):
        tenant = make.tenant()
        for number in range(3):
            tenancy.create_folder(tenant, actor=make.SYSTEM, name=f"Folder {number}")
        root = api.root()

        first = root.get("audit", {"tenant": tenant.pk, "page_size": 3})
        second = root.client.get(first.json()["next"])

        assert len({*api.ids(first), *api.ids(second)}) == 4

    def test_nobody_writes_over_the_api(self):
        refused = api.root().post("audit", {})

        assert refused.status_code == 405


def test_lists_take_as_many_queries_for_five_rows_as_for_one(django_assert_num_queries):
    tenant = make.tenant()
    for number in range(5):
        tenancy.create_folder(tenant, actor=make.SYSTEM, name=f"Folder {number}")
    root = api.root()
    root.get("audit")

    with django_assert_num_queries(5, connection=connection):
        root.get("audit", {"page_size": 1})
    with django_assert_num_queries(5, connection=connection):
        root.get("audit", {"page_size": 5})
