"""Steps that a job traces, and how they reach the server."""

import json

from tests.robot.packages import package


def spans_of(job):
    return {span["name"]: span for span in job.last.spans}


def test_steps_tell_what_went_in_what_came_out_and_inside_which_they_were(done):
    source = """
        from bv_robot import job
        def main():
            with job.span("outer", input={"month": "May"}, colour="red", name="n") as outer:
                with job.span("inner"):
                    pass
                outer.output = [1, 2]
            with job.span("after"):
                pass
    """

    ended = done(source)

    spans = spans_of(ended)
    assert list(spans) == ["inner", "outer", "after"]
    outer, inner = spans["outer"], spans["inner"]
    assert (outer["input"], outer["output"], outer["status"]) == ({"month": "May"}, [1, 2], "ok")
    assert outer["tags"] == {"colour": "red", "name": "n"}
    assert inner["parentSpanId"] == outer["spanId"]
    assert outer["parentSpanId"] is None
    assert spans["after"]["parentSpanId"] is None
    assert 0 <= inner["durationMs"] <= outer["durationMs"]
    assert outer["startTime"] <= outer["endTime"]


def test_steps_of_tasks_that_run_at_once_do_not_mix(done):
    source = """
        import asyncio
        from bv_robot import job
        async def one(n):
            with job.span(f"outer {n}"):
                await asyncio.sleep(0.01)
                with job.span(f"inner {n}"):
                    await asyncio.sleep(0.01)
        async def main():
            await asyncio.gather(*(one(n) for n in range(3)))
    """

    spans = spans_of(done(source))

    parents = [spans[f"inner {n}"]["parentSpanId"] for n in range(3)]
    assert parents == [spans[f"outer {n}"]["spanId"] for n in range(3)]


def test_a_step_that_fails_says_so_and_the_error_goes_on(done):
    source = """
        from bv_robot import job
        def main():
            with job.span("risky"):
                raise KeyError("amount")
    """

    ended = done(source)

    assert ended.report["error"]["type"] == "KeyError"
    assert spans_of(ended)["risky"]["status"] == "error"
    assert spans_of(ended)["risky"]["output"] == {"error": "KeyError: 'amount'"}


def test_what_is_too_large_is_measured_and_what_is_no_json_is_text(done):
    source = """
        from bv_robot import job
        def main():
            with job.span("step", input="x" * 40_000) as step:
                step.output = [float("nan"), object]
    """

    step = spans_of(done(source))["step"]

    assert step["input"] == {"left_out": 40_002}
    assert step["output"] == "[nan, <class 'object'>]"


def test_many_steps_travel_in_batches_while_the_job_runs(done, shared_robot):
    server, _ = shared_robot
    source = """
        from bv_robot import job
        def main():
            for number in range(1_000):
                with job.span(str(number)):
                    pass
    """

    ended = done(source)

    assert [span["name"] for span in ended.last.spans] == [str(number) for number in range(1_000)]
    ours = [call.body for call in server.calls("spans") if call.body["traceId"] == ended.last.id]
    assert max(len(body["spans"]) for body in ours) <= 200


def test_a_server_in_trouble_gets_them_later(server, start_robot, tmp_path):
    server.faults.answer("spans", 503, times=1)
    server.faults.drop_request("spans", times=1)
    source = """
        import pathlib, time
        from bv_robot import job
        def main(go):
            with job.span("step"):
                pass
            while not pathlib.Path(go).exists():
                time.sleep(0.05)
    """
    go = tmp_path / "go"
    given = server.add_job(server.add_package(package(source)), parameters={"go": str(go)})
    start_robot()

    server.wait_until(lambda: given.executions and given.last.spans)
    go.touch()

    assert server.wait_for_end(given).status == "completed"
    assert len(server.calls("spans")) == 3


def test_what_the_server_refuses_is_left_out_and_said_and_the_job_goes_on(server, start_robot):
    server.faults.answer("spans", 404, "not_found", times=100)
    source = """
        from bv_robot import job
        def main():
            for number in range(300):
                with job.span("step"):
                    pass
            return "done"
    """
    given = server.add_job(server.add_package(package(source)))

    start_robot()

    server.wait_for_end(given)
    assert given.report["result"] == "done"
    assert given.last.messages("log") == ["300 spans could not be sent to the orchestrator and are left out."]
    assert len(server.calls("spans")) == 1


def test_memory_is_bounded_while_nothing_can_be_sent(server, start_robot):
    server.faults.answer("spans", 503, times=1_000)
    source = """
        from bv_robot import job
        from bv_robot.job import spans
        def main():
            spans.MOST_BYTES = 10_000
            for number in range(1_000):
                with job.span(f"step {number}"):
                    pass
            outbox, = spans._outboxes.values()
            return outbox._bytes
    """
    given = server.add_job(server.add_package(package(source)))

    start_robot()

    server.wait_for_end(given)
    assert given.report["result"] <= 10_000
    assert given.last.messages("log") == ["1000 spans could not be sent to the orchestrator and are left out."]
    assert json.dumps(given.last.spans) == "[]"
