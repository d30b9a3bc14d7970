"""Lists of jobs and executions: filters, pages, who sees what, and along which indexes they are read."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.jobs import services as jobs
from apps.jobs.models import Execution, Job
from apps.processes.models import Process
from apps.rbac import services as rbac
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    """A process in a tenant of its own."""
    return make.process(make.folder(make.tenant()))


def made(process: Process, count: int) -> list[str]:
    """The ids of new jobs, the newest first."""
    wanted = [jobs.Wanted(parameters={})] * count
    return [str(job.pk) for job in reversed(jobs.create_jobs(process, actor=make.SYSTEM, wanted=wanted))]


def failed(process: Process, reason: str) -> Job:
    """A job that failed for a reason."""
    job = make.job(process)
    Job.objects.filter(pk=job.pk).update(status="failed", reason=reason, finished_at=timezone.now())
    job.refresh_from_db()
    return job


class TestFilters:
    def test_by_status(self, process):
        pending, done = make.job(process), failed(process, "application_error")
        running = make.running_job(process, priority=9).job
        root = api.root()

        assert api.ids(root.get("jobs", {"status": "failed"})) == [str(done.pk)]
        assert api.ids(root.get("jobs", {"status": ["failed", "running"]})) == [str(running.pk), str(done.pk)]
        assert api.ids(root.get("jobs", {"status": ["pending", "waiting"]})) == [str(pending.pk)]

    def test_by_reason(self, process):
        failed(process, "application_error")
        poison = failed(process, "poison")

        assert api.ids(api.root().get("jobs", {"reason": "poison"})) == [str(poison.pk)]

    def test_by_process_and_status_together(self, process):
        make.job(process)
        failed(make.process(process.folder), "timeout")
        wanted = failed(process, "timeout")

        found = api.root().get("jobs", {"process": process.pk, "status": "failed"})

        assert api.ids(found) == [str(wanted.pk)]

    def test_by_folder_tenant_and_package_version(self, process):
        inner = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Inner")
        job, other = make.job(process), make.job(make.process(inner))
        make.job()
        root = api.root()

        assert api.ids(root.get("jobs", {"folder": inner.pk})) == [str(other.pk)]
        assert api.ids(root.get("jobs", {"tenant": process.tenant_id})) == [str(other.pk), str(job.pk)]
        assert api.ids(root.get("jobs", {"package_version": job.package_version_id})) == [str(job.pk)]

    def test_by_kind_and_source(self, process):
        job = make.job(process)
        Job.objects.filter(pk=job.pk).update(kind="agent", source="trigger")
        make.job(process)
        root = api.root()

        assert api.ids(root.get("jobs", {"kind": "agent"})) == [str(job.pk)]
        assert api.ids(root.get("jobs", {"source": "trigger"})) == [str(job.pk)]

    def test_by_the_job_that_it_repeats(self, process):
        job = failed(process, "timeout")
        again = jobs.retry_job(job, actor=make.SYSTEM)

        assert api.ids(api.root().get("jobs", {"retry_of": job.pk})) == [str(again.pk)]

    def test_by_when_they_were_made(self, process):
        old, new = make.job(process), make.job(process)
        long_ago = timezone.now() - timedelta(days=9)
        Job.objects.filter(pk=old.pk).update(created_at=long_ago)
        root = api.root()
        yesterday = (timezone.now() - timedelta(days=1)).isoformat()

        assert api.ids(root.get("jobs", {"created_after": yesterday})) == [str(new.pk)]
        assert api.ids(root.get("jobs", {"created_before": yesterday, "created_after": "2020-01-01T00:00:00Z"})) == []

    def test_by_a_robot_that_tried_them_however_often(self, process):
        execution = make.running_job(process)
        jobs.release_execution(execution, actor=make.acting(execution.robot))
        make.claimed(execution.session)
        make.job(process)
        root = api.root()

        assert api.ids(root.get("jobs", {"robot": execution.robot_id})) == [str(execution.job_id)]
        assert api.ids(root.get("jobs", {"robot": execution.robot_id, "status": "failed"})) == []
        assert api.ids(root.get("jobs", {"robot": make.robot(of=process.tenant).pk})) == []

    def test_executions_by_robot_job_process_and_status(self, process):
        execution = make.running_job(process)
        other = make.running_job(make.process(process.folder))
        root = api.root()

        assert api.ids(root.get("executions", {"robot": execution.robot_id})) == [str(execution.pk)]
        assert api.ids(root.get("executions", {"job": other.job_id})) == [str(other.pk)]
        assert api.ids(root.get("executions", {"process": process.pk})) == [str(execution.pk)]
        assert api.ids(root.get("executions", {"status": "running"})) == [str(other.pk), str(execution.pk)]
        assert api.ids(root.get("executions", {"status": ["lost", "failed"]})) == []

    @pytest.mark.parametrize(
        "query",
        [
            {"colour": "red"}, {"status": "done"}, {"process": "7"}, {"robot": "r"}, {"page_size": "1000000"},
            {"page_size": "0"}, {"ordering": "password"}, {"cursor": "x"}, {"created_after": "soon"},
            {"tenant": ["0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22", "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"]},
        ],
    )  # fmt: skip
    def test_what_cannot_be_asked_is_refused_by_name(self, query):
        (name,) = query

        refused = api.fields_refused(api.root().get("jobs", query))

        assert {field.removesuffix("_after") for field in refused} == {name.removesuffix("_after")}


class TestPages:
    def test_following_next_gives_every_job_once(self, process):
        everything = made(process, 7)
        root = api.root()

        first = root.get("jobs", {"page_size": 3})
        second = root.client.get(first.json()["next"])
        third = root.client.get(second.json()["next"])

        assert [*api.ids(first), *api.ids(second), *api.ids(third)] == everything
        assert third.json()["next"] is None

    def test_previous_goes_back(self, process):
        everything = made(process, 5)
        root = api.root()
        second = root.client.get(root.get("jobs", {"page_size": 2}).json()["next"])

        back = root.client.get(second.json()["previous"])

        assert api.ids(back) == everything[:2]
        assert back.json()["previous"] is None

    def test_oldest_first_is_the_other_way_round(self, process):
        everything = made(process, 3)
        root = api.root()

        first = root.get("jobs", {"ordering": "id", "page_size": 2})
        second = root.client.get(first.json()["next"])

        assert [*api.ids(first), *api.ids(second)] == everything[::-1]

    def test_a_page_stays_put_while_jobs_are_made(self, process):
        everything = made(process, 4)
        root = api.root()
        first = root.get("jobs", {"page_size": 2})
        made(process, 3)

        second = root.client.get(first.json()["next"])

        assert api.ids(second) == everything[2:]

    def test_pages_span_tenants_in_one_order(self):
        one, other = make.process(), make.process()
        everything = [str(make.job(of).pk) for of in (one, other, one, other, other)]
        root = api.root()

        first = root.get("jobs", {"page_size": 3})
        second = root.client.get(first.json()["next"])

        assert [*api.ids(first), *api.ids(second)] == everything[::-1]

    def test_pages_of_a_robot_go_on_behind_each_other(self, process):
        worker = make.session(make.robot(of=process.tenant, slots=5))
        for _ in range(5):
            make.job(process)
        tried = [str(make.claimed(worker).job_id) for _ in range(5)]
        root = api.root()

        first = root.get("jobs", {"robot": worker.robot_id, "page_size": 2})
        second = root.client.get(first.json()["next"])
        third = root.client.get(second.json()["next"])
        back = root.client.get(second.json()["previous"])

        assert [*api.ids(first), *api.ids(second), *api.ids(third)] == sorted(tried, reverse=True)
        assert api.ids(back) == api.ids(first)

    def test_a_list_leaves_out_what_can_be_long(self, process):
        make.job(process)

        (row,) = api.root().get("jobs").json()["items"]

        assert {"parameters", "result", "error"} & row.keys() == set()


class TestWhoSeesWhat:
    def test_somebody_of_a_tenant_sees_all_of_it(self, process):
        job = make.job(process)
        make.job()
        somebody = api.Caller(make.user("jobs.view_job", inside=process.tenant))

        assert api.ids(somebody.get("jobs")) == [str(job.pk)]
        assert api.ids(somebody.get("jobs", {"status": "pending"})) == [str(job.pk)]

    def test_somebody_of_a_folder_sees_what_is_in_it_and_below(self, process):
        outer = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Outer")
        inner = tenancy.create_folder(outer, actor=make.SYSTEM, name="Inner")
        wanted = [str(make.job(make.process(folder)).pk) for folder in (outer, inner)]
        beside = make.job(process)
        somebody = api.Caller(make.user("jobs.view_job", inside=outer))

        assert api.ids(somebody.get("jobs")) == wanted[::-1]
        assert api.ids(somebody.get("jobs", {"process": beside.process_id})) == []
        assert api.ids(somebody.get("jobs", {"folder": process.folder_id})) == []

    def test_a_job_that_is_shared_is_seen_once(self, process):
        job = make.job(process)
        inside, outside = make.user("jobs.view_job", inside=process.folder), make.user()
        for person in (inside, outside):
            rbac.share_object(job, actor=make.SYSTEM, user=person, permission="jobs.view_job")

        assert api.ids(api.Caller(inside).get("jobs")) == [str(job.pk)]
        assert api.ids(api.Caller(outside).get("jobs")) == [str(job.pk)]
        assert api.ids(api.Caller(outside).get("jobs", {"process": process.pk})) == [str(job.pk)]

    def test_who_sees_everything_sees_every_tenant(self, process):
        jobs_of_two = [str(make.job(process).pk), str(make.job().pk)]
        everywhere = api.Caller(make.user("jobs.view_job"))

        assert api.ids(everywhere.get("jobs")) == jobs_of_two[::-1]

    def test_who_holds_nothing_sees_nothing(self, process):
        make.job(process)

        assert api.ids(api.Caller(make.user()).get("jobs")) == []

    def test_filters_by_what_belongs_to_others_find_nothing(self, process):
        execution = make.running_job(process)
        stranger = api.Caller(make.user("jobs.view_job", inside=make.tenant()))

        assert api.ids(stranger.get("jobs", {"process": process.pk})) == []
        assert api.ids(stranger.get("jobs", {"robot": execution.robot_id})) == []
        assert api.ids(stranger.get("jobs", {"tenant": process.tenant_id})) == []
        assert api.ids(stranger.get("executions", {"robot": execution.robot_id})) == []


class TestHowTheyAreRead:
    """Plans are looked at on small tables, where a sequential scan costs nothing: it is forbidden for the look."""

    ANSWERS = {
        ("superuser", "all"): {"job_tenant_key"},
        ("superuser", "status"): {"job_newest_by_status"},
        ("superuser", "reason"): {"job_newest_by_reason"},
        ("superuser", "process"): {"job_newest_of_process"},
        ("superuser", "process, status"): {"job_of_process_by_status"},
        ("superuser", "folder"): {"job_newest_of_folder"},
        ("superuser", "version"): {"job_newest_of_version"},
        ("superuser", "kind"): {"job_newest_by_kind"},
        ("superuser", "source"): {"job_newest_by_source"},
        ("tenant", "all"): {"job_tenant_key"},
        ("tenant", "status"): {"job_newest_by_status"},
        ("folder", "all"): {"job_newest_of_folder"},
    }

    @pytest.mark.parametrize(("who", "what"), ANSWERS)
    def test_a_page_walks_along_the_index_that_is_in_its_order(self, process, who, what):
        made(process, 200)
        inside = {"superuser": None, "tenant": process.tenant, "folder": process.folder}[who]
        caller = api.root() if inside is None else api.Caller(make.user("jobs.view_job", inside=inside))
        query = {
            "all": {},
            "status": {"status": "pending"},
            "reason": {"reason": "poison"},
            "process": {"process": process.pk},
            "process, status": {"process": process.pk, "status": "pending"},
            "folder": {"folder": process.folder_id},
            "version": {"package_version": process.version_to_run().pk},
            "kind": {"kind": "rpa"},
            "source": {"source": "api"},
        }[what]

        plan = plan_of_first_ids(caller, query)

        assert plan.indexes == self.ANSWERS[who, what]
        assert plan.sorts == 0

    def test_lists_take_as_many_queries_for_five_rows_as_for_one(self, process, django_assert_num_queries):
        for _ in range(5):
            make.running_job(process)
        root = api.root()

        with django_assert_num_queries(5):
            root.get("jobs", {"page_size": 1})
        with django_assert_num_queries(5):
            root.get("jobs", {"page_size": 5})
        with django_assert_num_queries(5):
            root.get("executions", {"page_size": 1})
        with django_assert_num_queries(5):
            root.get("executions", {"page_size": 5})


class Plan:
    """Which indexes of jobs a statement walks, and how often it sorts."""

    def __init__(self, root: dict) -> None:
        nodes = list(self._nodes(root))
        self.indexes = {node["Index Name"] for node in nodes if node.get("Index Name", "").startswith("job")}
        self.sorts = sum("Sort" in node["Node Type"] for node in nodes)

    def _nodes(self, node: dict):
        yield node
        for inner in node.get("Plans", ()):
            yield from self._nodes(inner)


def plan_of_first_ids(caller: api.Caller, query: dict) -> Plan:
    """The plan of the statement that finds the ids of a page of jobs."""
    with CaptureQueriesContext(connection) as captured:
        caller.get("jobs", query)
    found = [
        one["sql"]
        for one in captured.captured_queries
        if one["sql"].startswith('SELECT "jobs_job"."id" AS') and " LIMIT 51" in one["sql"]
    ]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + found[0].replace("%", "%%"))
        plan = cursor.fetchone()[0]
    return Plan((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def test_an_execution_that_is_not_there_is_said_not_to_be():
    assert Execution.objects.count() == 0
    assert api.root().get("executions/0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22/log").status_code == 404
