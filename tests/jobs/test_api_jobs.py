"""Asking for jobs, and ending them, over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.jobs import services as jobs
from apps.jobs.models import ExecutionStatus, Job
from tests import api, make

pytestmark = pytest.mark.django_db

SOURCE = "def main(customer: str, amount: int = 1):\n    return {}\n"


@pytest.fixture
def process():
    """A process that takes ``customer`` and ``amount``."""
    folder = make.folder(make.tenant())
    version = make.package_version(folder, name="invoices", version="1.2.3", source=SOURCE)
    return make.process(folder, package=version.package, parameters={"amount": 3}, priority=2, max_attempts=2)


def held(process) -> Job:
    """A job that waits for a person."""
    process.on_lost = "hold"
    process.save(update_fields=["on_lost"])
    execution = make.running_job(process, parameters={"customer": "x"})
    jobs.hand_over_leases(execution.robot, actor=make.SYSTEM, ended=[execution.session_id], reason="robot_restarted")
    return execution.job


class TestCreating:
    def test_a_job_remembers_what_it_was_made_for(self, process):
        made = api.root().post("jobs", {"process": process.pk, "parameters": {"customer": "Jones"}})

        job = made.json()
        version = process.version_to_run()
        assert made.status_code == 201
        assert made.headers["Location"] == f"/api/v1/jobs/{job['id']}"
        assert job["parameters"] == {"customer": "Jones", "amount": 3}
        assert (job["package_name"], job["package_version_number"]) == ("invoices", "1.2.3")
        assert (job["package_version"], job["package_sha256"]) == (str(version.pk), version.sha256)
        assert (job["entrypoint_name"], job["command"]) == ("main", "main:main")
        assert (job["status"], job["source"], job["priority"], job["max_attempts"]) == ("pending", "api", 2, 2)
        assert (job["latest_execution"], job["result"], job["error"]) == (None, None, None)

    def test_what_is_asked_goes_before_what_the_process_says(self, process):
        robot = make.robot(of=process.tenant)
        later = (timezone.now() + timedelta(hours=1)).replace(microsecond=0)
        asked = {
            "process": process.pk, "parameters": {"customer": "x", "amount": 9}, "priority": -5, "timeout": 60,
            "available_at": later.isoformat(), "start_by": 600, "max_attempts": 7, "target_robot": robot.pk,
            "target_machine": robot.machine_id, "dedupe_key": "nightly",
        }  # fmt: skip

        job = api.root().post("jobs", asked).json()

        stored = Job.objects.get(pk=job["id"])
        assert (job["parameters"], job["priority"], job["timeout"]) == ({"customer": "x", "amount": 9}, -5, 60)
        assert (stored.available_at, stored.start_deadline) == (later, later + timedelta(seconds=600))
        assert (job["max_attempts"], job["dedupe_key"]) == (7, "nightly")
        assert (job["target_robot"]["id"], job["target_machine"]["id"]) == (str(robot.pk), str(robot.machine_id))

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"parameters": {}}, "parameters.customer"),
            ({"parameters": {"customer": 7}}, "parameters.customer"),
            ({"parameters": {"customer": "x", "colour": "red"}}, "parameters.colour"),
            ({"parameters": "customer"}, "parameters"),
            ({"process": "7"}, "process"),
            ({"process": None}, "process"),
            ({"priority": 1001}, "priority"),
            ({"priority": "high"}, "priority"),
            ({"max_attempts": 0}, "max_attempts"),
            ({"max_attempts": 101}, "max_attempts"),
            ({"timeout": 0}, "timeout"),
            ({"start_by": 10**9}, "start_by"),
            ({"available_at": "soon"}, "available_at"),
            ({"available_at": "2150-01-01T00:00:00Z"}, "available_at"),
            ({"available_at": "9999-12-31T23:59:59+14:00"}, "available_at"),
            ({"dedupe_key": "x" * 201}, "dedupe_key"),
            ({"target_robot": "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"}, "target_robot"),
            ({"status": "completed"}, "status"),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, process, wrong, field):
        body = {"process": str(process.pk), "parameters": {"customer": "x"}, **wrong}

        assert api.fields_refused(api.root().post("jobs", body)) == {field}

    def test_every_problem_is_told_at_once(self, process):
        body = {"process": str(process.pk), "priority": "high", "timeout": 0, "colour": "red"}

        assert api.fields_refused(api.root().post("jobs", body)) == {"priority", "timeout", "colour"}

    def test_one_unfinished_job_has_a_key(self, process):
        root = api.root()
        body = {"process": process.pk, "parameters": {"customer": "x"}, "dedupe_key": "nightly"}
        first = root.post("jobs", body).json()

        refused = root.post("jobs", body)
        root.post(f"jobs/{first['id']}/cancel")
        second = root.post("jobs", body)

        assert (refused.status_code, refused.json()["code"], refused.json()["job"]) == (
            409,
            "duplicate_job",
            first["id"],
        )
        assert second.status_code == 201

    def test_the_same_request_again_makes_no_second_job(self, process):
        root = api.root()
        body = {"process": str(process.pk), "parameters": {"customer": "x"}}
        first = root.post("jobs", body, **{"Idempotency-Key": "run-1"})

        again = root.post("jobs", body, **{"Idempotency-Key": "run-1"})

        assert again.json() == first.json()
        assert Job.objects.filter(process=process).count() == 1

    def test_running_takes_the_right_to_run_and_nothing_else(self, process):
        runner = api.Caller(make.user("processes.run_process", "processes.view_process", inside=process.folder))

        made = runner.post("jobs", {"process": process.pk, "parameters": {"customer": "x"}})

        assert made.status_code == 201
        assert runner.get(f"jobs/{made.json()['id']}").status_code == 404

    def test_a_process_one_does_not_see_is_not_there(self, process):
        stranger = api.Caller(make.user("processes.run_process", "processes.view_process", inside=make.tenant()))

        assert api.fields_refused(stranger.post("jobs", {"process": process.pk})) == {"process"}


class TestCreatingMany:
    def test_all_are_made_in_order(self, process):
        wanted = [{"parameters": {"customer": name}} for name in ("Jones", "Smith", "Bell")]

        made = api.root().post("jobs/bulk", {"process": process.pk, "jobs": wanted}).json()

        stored = Job.objects.in_bulk(made["jobs"])
        assert made["count"] == 3
        assert [stored[type(next(iter(stored)))(pk)].parameters["customer"] for pk in made["jobs"]] == [
            "Jones", "Smith", "Bell",
        ]  # fmt: skip

    def test_or_none(self, process):
        wanted = [{"parameters": {"customer": "Jones"}}, {"parameters": {}}, {"priority": 5}]

        refused = api.root().post("jobs/bulk", {"process": process.pk, "jobs": wanted})

        assert api.fields_refused(refused) == {"jobs[1].parameters.customer", "jobs[2].parameters.customer"}
        assert not Job.objects.filter(process=process).exists()

    @pytest.mark.parametrize("count", [0, 1001])
    def test_at_least_one_and_at_most_a_thousand(self, process, count):
        refused = api.root().post("jobs/bulk", {"process": process.pk, "jobs": [{}] * count})

        assert api.fields_refused(refused) == {"jobs"}

    def test_a_thousand_with_their_parameters_are_taken(self, process):
        wanted = [{"parameters": {"customer": f"Customer {n}", "amount": n}, "dedupe_key": str(n)} for n in range(1000)]

        made = api.root().post("jobs/bulk", {"process": str(process.pk), "jobs": wanted})

        assert (made.status_code, made.json()["count"]) == (201, 1000)

    def test_a_key_named_twice_is_refused(self, process):
        wanted = [{"parameters": {"customer": "x"}, "dedupe_key": "one"}] * 2

        refused = api.root().post("jobs/bulk", {"process": process.pk, "jobs": wanted})

        assert (refused.status_code, refused.json()["code"]) == (409, "duplicate_job")


class TestEnding:
    def test_a_pending_job_is_cancelled_at_once(self, process):
        job = make.job(process, parameters={"customer": "x"})

        shown = api.root().post(f"jobs/{job.pk}/cancel", {"reason": "wrong month"}).json()

        assert (shown["status"], shown["reason"]) == ("cancelled", "cancelled")
        assert shown["finished_at"] is not None

    def test_a_running_one_is_only_asked(self, process):
        execution = make.running_job(process, parameters={"customer": "x"})

        shown = api.root().post(f"jobs/{execution.job_id}/cancel").json()

        assert (shown["status"], shown["finished_at"]) == ("cancelling", None)
        assert shown["latest_execution"]["robot"]["name"] == execution.robot.name

    def test_to_stop_is_to_ask_for_an_end_by_itself(self, process):
        execution = make.running_job(process, parameters={"customer": "x"})

        shown = api.root().post(f"jobs/{execution.job_id}/stop").json()

        assert shown["status"] == "running"
        assert shown["stop_requested_at"] is not None

    def test_to_kill_is_to_take_it_away_now(self, process):
        execution = make.running_job(process, parameters={"customer": "x"})

        shown = api.root().post(f"jobs/{execution.job_id}/kill", {"reason": "hangs"}).json()

        execution.refresh_from_db()
        assert (shown["status"], shown["reason"]) == ("cancelled", "killed")
        assert execution.status == ExecutionStatus.REVOKED

    def test_what_has_ended_cannot_be_ended_again(self, process):
        job = make.job(process, parameters={"customer": "x"})
        root = api.root()
        root.post(f"jobs/{job.pk}/cancel")

        refused = root.post(f"jobs/{job.pk}/kill")

        assert (refused.status_code, refused.json()["code"]) == (409, "job_ended")

    def test_a_retry_is_a_new_job_that_points_at_the_old_one(self, process):
        job = make.job(process, parameters={"customer": "x", "amount": 5})
        root = api.root()
        root.post(f"jobs/{job.pk}/cancel")

        made = root.post(f"jobs/{job.pk}/retry")

        again = made.json()
        assert made.status_code == 201
        assert made.headers["Location"] == f"/api/v1/jobs/{again['id']}"
        assert (again["retry_of"], again["source"], again["status"]) == (str(job.pk), "retry", "pending")
        assert again["parameters"] == {"customer": "x", "amount": 5}

    def test_only_what_has_ended_is_retried(self, process):
        refused = api.root().post(f"jobs/{make.job(process, parameters={'customer': 'x'}).pk}/retry")

        assert refused.status_code == 409

    def test_a_held_job_is_resumed(self, process):
        job = held(process)
        root = api.root()
        before = root.get(f"jobs/{job.pk}").json()

        shown = root.post(f"jobs/{job.pk}/resume", {"reason": "checked by hand"}).json()

        assert before["status"] == "waiting"
        assert shown["status"] == "pending"

    def test_or_settled_as_failed(self, process):
        job = held(process)

        shown = api.root().post(f"jobs/{job.pk}/fail", {"reason": "it had half finished"}).json()

        assert (shown["status"], shown["reason"]) == ("failed", "settled_by_hand")
        assert shown["error"] == {"message": "it had half finished"}

    def test_settling_takes_a_reason(self, process):
        assert api.fields_refused(api.root().post(f"jobs/{held(process).pk}/fail", {})) == {"reason"}

    @pytest.mark.parametrize("verb", ["resume", "fail"])
    def test_what_nobody_holds_is_neither_resumed_nor_settled(self, process, verb):
        job = make.job(process, parameters={"customer": "x"})

        assert api.root().post(f"jobs/{job.pk}/{verb}", {"reason": "x"}).status_code == 409

    def test_priority_is_changed_while_a_job_waits(self, process):
        job = make.job(process, parameters={"customer": "x"})
        running = make.running_job(process, parameters={"customer": "x"}, priority=900)
        root = api.root()

        shown = root.post(f"jobs/{job.pk}/prioritise", {"priority": 77}).json()
        refused = root.post(f"jobs/{running.job_id}/prioritise", {"priority": 77})

        assert shown["priority"] == 77
        assert refused.status_code == 409


class TestExecutions:
    def test_the_tries_of_a_job_are_listed_newest_first(self, process):
        execution = make.running_job(process, parameters={"customer": "x"})
        jobs.release_execution(execution, actor=make.acting(execution.robot))
        again = make.claimed(execution.session)

        listed = api.root().get(f"jobs/{execution.job_id}/executions").json()["items"]

        assert [(one["id"], one["number"], one["status"]) for one in listed] == [
            (str(again.pk), 2, "running"),
            (str(execution.pk), 1, "released"),
        ]

    def test_a_try_shows_its_robot_its_times_and_its_log_but_not_its_lease(self, process):
        execution = make.running_job(process, parameters={"customer": "x"})

        answer = api.root().get(f"executions/{execution.pk}")

        shown = answer.json()
        assert (shown["job"], shown["robot"]["name"]) == (str(execution.job_id), execution.robot.name)
        assert shown["log"] == {
            "length": 0, "lines": 0, "has_errors": False, "truncated": False, "complete": None, "missing_bytes": 0,
        }  # fmt: skip
        assert str(execution.lease_id).encode() not in answer.whole


def test_ids_of_another_kind_are_refused_in_words():
    root = api.root()

    refused = [root.get(f"jobs/{odd}") for odd in ("7", "-1", "1e40", "x", "%2e%2e%2f", "0" * 40)]

    assert {(answer.status_code, answer.json()["code"]) for answer in refused} <= {(400, "invalid"), (404, "not_found")}
    assert "UUID" in refused[0].json()["detail"]
