"""The examples of what an author can do, and the released runtime, on a real server and a real robot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.jobs.models import Execution, Job, Span
from tests import make
from tests.flows import Flow
from tests.robot.packages import MANIFEST, package

RELEASED = "bv-runtime==2026.2.81610\n"
SPEAKS_THROUGH_THE_RUNTIME = """
    from bv.runtime import LogLevel, context, log_message, start_span

    def main():
        log_message("said through the runtime", LogLevel.WARN)
        with start_span("step", input_payload={"n": 1}, tags={"colour": "red"}) as span:
            span.output_payload = {"n": 2}
        return [context.get_execution_id(), context.get_tenant_id(), context.is_runner_mode()]
"""
ASKS_FOR_MORE = """
    from bv.runtime import assets, queue

    def main(calls):
        return {call: answer_to(call) for call in calls}

    def answer_to(call):
        try:
            return repr(eval(call))
        except RuntimeError as error:
            return f"{type(error).__name__}: {error}"
"""
WORKS_ON_A_QUEUE = """
    from bv.runtime import queue

    def main():
        queue.add("Invoices", {"n": 1}, reference="INV-1")
        queue.add("Invoices", {"n": 2}, priority=queue.Priority.HIGH)
        queue.add("Invoices", {"n": 3}, priority=queue.Priority.LOW)
        first, second, third = (queue.get("invoices") for _ in range(3))
        queue.set_status(first.id, queue.Status.DONE, output={"paid": True})
        queue.set_status(
            second.id, queue.Status.FAILED, error_type=queue.ErrorType.APPLICATION, error_reason="No page opened."
        )
        queue.set_status(third.id, queue.Status.ABANDONED, error_reason="Not ours.")
        again = queue.get("invoices")
        queue.set_status(
            again.id, queue.Status.FAILED, error_type=queue.ErrorType.BUSINESS, error_reason="It has no number."
        )
        return [first.content, [again.reference, again.attempt], queue.get("invoices")]
"""
NOT_THERE = "OrchestratorError: Orchestrator error 404"
#: What the released runtime can ask for, and how the server answers a job that asks for it today.
ANSWERS = {
    "assets.get_asset('rate')": "7",
    "assets.set_asset('rate', 8)": "None",
    "assets.get_asset('RATE')": "8",
    "assets.get_asset('no such asset')": NOT_THERE,
    "assets.get_secret('key').value()": "'hunter2'",
    "assets.get_credential('login').username": "'ada'",
    "assets.get_credential('login').password.value()": "'pw'",
    "assets.get_secret('no such secret').value()": NOT_THERE,
    "queue.add('no such queue', {'n': 1})": NOT_THERE,
    "queue.get('no such queue')": NOT_THERE,
    "queue.set_status('0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22', queue.Status.DONE)": "OrchestratorError: Orchestrator",
    "queue.get('empty')": "None",
    "queue.add('empty', {'n': 1}, priority=queue.Priority.LOW).reference": "None",
    "queue.get('empty').content": "{'n': 1}",
}


@pytest.fixture(scope="module")
def robot(flow: Flow):
    """A robot with three slots, so that a parent can wait for its children."""
    return flow.robot(slots=3)


def package_of(flow: Flow, name: str, source: str, tmp_path: Path) -> str:
    """Publish a package that pins the released runtime; returns its id."""
    file = tmp_path / f"{name}.bvpackage"
    manifest = MANIFEST.replace("invoices", name)
    file.write_bytes(package(source, lock=RELEASED, bvproject__yaml=manifest))
    return str(flow.upload(file)["package"]["id"])


def spans_of(flow: Flow, job: str) -> list:
    execution = Execution.objects.filter(job=job).latest("number")
    return list(Span.of(execution.pk).order_by("id"))


# Examples


def test_log_lines_carry_their_fields(flow, robot):
    job = flow.run(flow.process(package=flow.example("log-fields")), parameters={"least": 0})

    assert flow.wait(job)["result"] == {"P-1": 120.0, "P-3": 80.5}
    flow.wait_for_log(job, "all payments are done")
    assert "payment left out" in flow.log(job)


def test_files_can_be_downloaded_afterwards(flow, robot):
    job = flow.run(flow.process(package=flow.example("report-files")), parameters={"text": "b a b"})

    flow.wait(job)
    flow.until(lambda: len(flow.call("GET", f"/jobs/{job}/artefacts")["items"]) == 2)
    found = {row["name"]: row for row in flow.call("GET", f"/jobs/{job}/artefacts")["items"]}
    assert sorted(found) == ["words.csv", "words.png"]
    assert flow.call("GET", f"/artefacts/{found['words.csv']['id']}/download").split() == ["word,count", "b,2", "a,1"]


def test_steps_are_kept_in_their_order_and_nesting(flow, robot):
    job = flow.run(flow.process(package=flow.example("traced-steps")))

    flow.wait(job)
    flow.until(lambda: len(spans_of(flow, job)) == 4)
    spans = spans_of(flow, job)
    answer = next(span for span in spans if span.name == "answer")
    assert sorted(span.name for span in spans) == ["answer", "find words", "look up", "look up"]
    assert {span.parent_span_id for span in spans if span is not answer} == {answer.span_id}
    assert answer.tags == {"model": "none"}


# Child jobs

STARTS_ONE_THAT_WAITS = """
import time
from bv_robot import job

def main(process: str):
    print("started", job.start(process).id, flush=True)
    time.sleep(600)
"""


def test_a_job_splits_its_work_between_two_others(flow, robot):
    package_id = flow.example("child-jobs")
    part = flow.process(package=package_id, entrypoint_name="part", name="child-jobs part")
    parent = flow.run(flow.process(package=package_id, may_start=[part]), parameters={"numbers": [1, 2, 3, 4]})

    ended = flow.wait(parent)

    assert ended["result"] == {"first": 5, "second": 25, "all": 30}, json.dumps(ended["error"])
    children = Job.objects.filter(parent=parent)
    assert sorted((child.status, child.depth, child.result) for child in children) == [
        ("completed", 1, 5),
        ("completed", 1, 25),
    ]


def test_a_cancel_reaches_the_jobs_that_a_job_started(flow, robot):
    child_process = flow.process("import time\ndef main():\n    print('working', flush=True)\n    time.sleep(600)")
    process = flow.process(STARTS_ONE_THAT_WAITS, may_start=[child_process])
    parent = flow.run(process, parameters={"process": child_process})
    flow.wait_for_log(parent, "started")
    child = str(Job.objects.get(parent=parent).pk)
    flow.wait_for_log(child, "working")

    flow.ask(parent, "cancel")

    assert [flow.wait(job)["status"] for job in (parent, child)] == ["cancelled", "cancelled"]


# The released runtime


def test_the_released_runtime_works_unchanged(flow, robot, tmp_path):
    job = flow.run(flow.process(package=package_of(flow, "speaks", SPEAKS_THROUGH_THE_RUNTIME, tmp_path)))

    ended = flow.wait(job)
    assert ended["status"] == "completed", json.dumps(ended["error"])
    assert ended["result"] == [flow.executions(job)[-1]["id"], flow.tenant.slug, True]
    flow.wait_for_log(job, "said through the runtime")
    flow.until(lambda: spans_of(flow, job))
    (span,) = spans_of(flow, job)
    assert (span.name, span.input, span.output) == ("step", {"n": 1}, {"n": 2})


def test_the_released_runtime_adds_gets_and_settles_items(flow, robot, tmp_path):
    made = make.queue(flow.folder, name="Invoices", max_attempts=2, backoff_base=0)
    job = flow.run(flow.process(package=package_of(flow, "settles", WORKS_ON_A_QUEUE, tmp_path)))

    ended = flow.wait(job)

    assert ended["status"] == "completed", json.dumps(ended["error"])
    assert ended["result"] == [{"n": 2}, ["INV-1", 2], None]
    ends = made.items.order_by("id").values_list("status", "error_type", "error_reason", "attempt")
    assert list(ends) == [
        ("failed", "application", "No page opened.", 1), ("done", "", "", 1),
        ("abandoned", "", "Not ours.", 1), ("failed", "business", "It has no number.", 2),
    ]  # fmt: skip
    assert {str(one) for one in made.items.values_list("job_id", flat=True)} == {job}


def test_the_released_runtime_gets_what_there_is_and_ordinary_exceptions_for_the_rest(flow, robot, tmp_path):
    make.queue(flow.folder, name="Empty")
    login = {"kind": "password", "value": {"username": "ada"}, "secrets": {"password": "pw"}}
    flow.call("POST", "/assets", {"name": "rate", "type": "integer", "value": 7})
    flow.call("POST", "/assets", {"name": "key", "type": "secret", "secrets": {"value": "hunter2"}})
    flow.call("POST", "/assets", {"name": "login", "type": "credential", **login})
    process = flow.process(package=package_of(flow, "asks", ASKS_FOR_MORE, tmp_path))

    job = flow.run(process, parameters={"calls": list(ANSWERS)})

    answers = flow.wait(job)["result"]
    assert {call: answers[call][: len(expected)] for call, expected in ANSWERS.items()} == ANSWERS
