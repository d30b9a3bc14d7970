"""Children: a job starts others, waits for them, and ends them."""

from tests.robot.packages import package

CHILD = "def main(n):\n    return n * n"


def test_a_job_starts_two_others_and_collects_what_they_return(shared_robot, done):
    server, _ = shared_robot
    server.offer("square", server.add_package(package(CHILD)))
    source = """
        from bv_robot import job
        def main():
            first = job.start("square", {"n": 3})
            second = job.start("square", {"n": 4})
            return [first.wait().result, second.wait(timeout=60).result, first.status, first.process, first.is_over()]
    """

    assert done(source).report["result"] == [9, 16, "completed", "square", True]


def test_a_lost_answer_starts_nothing_twice(server, start_robot):
    server.slots = 2
    server.offer("square", server.add_package(package(CHILD)))
    server.faults.drop_reply("children")
    server.faults.answer("children", 503, times=1)
    source = "from bv_robot import job\ndef main():\n    return job.start('square', {'n': 5}).wait().result"
    parent = server.add_job(server.add_package(package(source)))

    start_robot()

    assert server.wait_for_end(parent).report["result"] == 25
    assert len(server.calls("children")) == 3
    assert len([job for job in server.jobs if job.parent is parent]) == 1


def test_a_process_it_may_not_start_is_refused_by_name(done):
    source = """
        from bv_robot import job
        def main():
            try:
                job.start("unknown")
            except job.Refused as error:
                return [error.status, error.code]
    """

    assert done(source).report["result"] == [404, "not_found"]


def test_waiting_has_an_end_and_the_child_can_be_cancelled(server, start_robot):
    server.offer("square", server.add_package(package(CHILD)))
    source = """
        from bv_robot import job
        def main():
            child = job.start("square", {"n": 2})
            try:
                child.wait(timeout=0.1)
            except TimeoutError as error:
                said = str(error)
            child.cancel()
            return [said, child.wait().status]
    """
    parent = server.add_job(server.add_package(package(source)))

    start_robot()  # Its only slot is the parent's.

    said, status = server.wait_for_end(parent).report["result"]
    assert "has not ended within 0.1 seconds" in said
    assert status == "cancelled"


def test_a_job_that_is_asked_to_end_stops_waiting(server, start_robot):
    server.offer("square", server.add_package(package(CHILD)))
    source = """
        from bv_robot import job
        def main():
            child = job.start("square", {"n": 2})
            print("started", flush=True)
            try:
                child.wait()
            except job.Cancelled:
                try:
                    job.start("square", {"n": 3})
                except job.Cancelled as error:
                    return str(error)
    """
    parent = server.add_job(server.add_package(package(source)))
    start_robot()
    server.wait_until(lambda: parent.executions and "started" in parent.last.messages())

    server.ask(parent, "stop")

    assert server.wait_for_end(parent).report["result"] == "This job was asked to end, so it starts no other."


def test_the_token_is_not_carried_to_where_a_redirect_leads(server, start_robot):
    server.faults.answer("children", 307, headers={"Location": f"{server.url}/elsewhere"})
    server.offer("square", server.add_package(package(CHILD)))
    source = "from bv_robot import job\ndef main():\n    return job.start('square', {'n': 1}).status"
    parent = server.add_job(server.add_package(package(source)))

    start_robot()

    assert server.wait_for_end(parent).report["result"] == "pending"
    assert server.calls("unknown") == []
