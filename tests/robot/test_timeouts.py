"""A job whose time is up: it is asked to end, has the grace of its process, and is killed."""

SLEEPS = "import time\ndef main():\n    print('begun')\n    time.sleep(60)"

IGNORES_SIGTERM = """
    import signal, time
    def main():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("begun", flush=True)
        while True:
            time.sleep(1)
"""


def test_a_job_that_runs_too_long_is_ended_by_the_robot(done):
    job = done(SLEEPS, timeout=3)

    assert job.report["error"]["code"] == "timeout"
    assert "longer than its timeout of 3 seconds" in job.report["error"]["message"]
    assert "begun" in job.last.messages("stdout")


def test_a_job_that_runs_too_long_has_the_grace_to_tidy_up(done):
    source = """
        import time
        def main():
            try:
                time.sleep(60)
            finally:
                time.sleep(2.5)
                print("tidied up")
    """
    job = done(source, timeout=3, kill_grace=30)

    assert job.report["error"]["code"] == "timeout"
    assert "tidied up" in job.last.messages("stdout")


def test_the_servers_word_that_the_time_is_up_leaves_the_grace_as_it_is(give, shared_robot):
    server, _ = shared_robot
    source = """
        import time
        def main():
            try:
                time.sleep(60)
            finally:
                print("asked", flush=True)
                time.sleep(3)
                print("tidied up")
    """
    job = give(source, timeout=3, kill_grace=30)
    server.wait_until(lambda: job.executions and b"asked" in job.last.log)

    server.ask(job, "kill")

    server.wait_for_end(job)
    assert job.report["error"]["code"] == "timeout"
    assert "tidied up" in job.last.messages("stdout")


def test_a_job_that_runs_too_long_and_does_not_end_is_killed_after_its_grace(done):
    job = done(IGNORES_SIGTERM, timeout=3, kill_grace=0.5)

    assert job.report["error"]["code"] == "timeout"
    assert job.report["exit_code"] == -9
