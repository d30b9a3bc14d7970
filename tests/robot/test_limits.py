"""What a job may use of its machine, where no control group keeps it in bounds: watched, and ended in words."""

import os
import re

import pytest
from bv_robot import config, limits
from bv_robot.config import ConfigError, Home
from bv_robot.confining import Confinement
from bv_robot.limits import MEBIBYTE, Limits

from tests.robot.packages import package

GROWS = """
    import time
    def main(mebibytes):
        held = bytearray(mebibytes * 1024 * 1024)
        for start in range(0, len(held), 4096):
            held[start] = 1
        print("grown", flush=True)
        time.sleep(60)
"""


def test_the_least_of_all_limits_counts():
    lease = {"limits": {"memory": 300 * MEBIBYTE, "cpu": 2, "nice": 7}}

    found = limits.of_job(lease, {"memory_limit": 500, "cpu_limit": 1.5}, {"memory_limit": 200, "cpu_limit": None})

    assert found == Limits(memory=200 * MEBIBYTE, cpu=1.5, nice=7)
    assert found.processors == 2


@pytest.mark.parametrize("lease", [{}, {"limits": None}, {"limits": {"memory": None, "cpu": None, "nice": None}}])
def test_no_limit_is_said_in_many_ways(lease):
    assert limits.of_job(lease, {"memory_limit": 0, "cpu_limit": 0.0}) == Limits()


def test_a_job_that_takes_more_memory_than_it_may_is_ended(done):
    job = done(GROWS, parameters={"mebibytes": 300}, limits={"memory": 100 * MEBIBYTE})

    error = job.report["error"]
    assert error["code"] == "resource_limit"
    assert re.fullmatch(
        r"The job used [123]\d\d MiB, more than its limit of 100 MiB, and was ended\.", error["message"]
    )
    assert job.report["usage"]["max_memory"] > 100 * MEBIBYTE
    assert "Ending the job: it uses more memory than it may." in job.last.messages("robot")


def test_the_memory_of_what_a_job_starts_counts_too(done):
    source = """
        import subprocess, sys
        CODE = "held = bytearray(150 << 20); held[::4096] = b'x' * len(held[::4096]); import time; time.sleep(60)"
        def main():
            children = [subprocess.Popen([sys.executable, "-c", CODE]) for _ in range(2)]
            for child in children:
                child.wait()
    """
    job = done(source, limits={"memory": 200 * MEBIBYTE})

    assert job.report["error"]["code"] == "resource_limit"


def test_what_processes_share_is_counted_once(done):
    source = """
        import os, time
        def main():
            held = bytearray(120 * 1024 * 1024)
            for start in range(0, len(held), 4096):
                held[start] = 1
            children = [os.fork() for _ in range(2)]
            if 0 in children:
                time.sleep(2.5)
                os._exit(0)
            for child in children:
                os.waitpid(child, 0)
            return "within its limit"
    """
    job = done(source, limits={"memory": 250 * MEBIBYTE})

    assert job.report["result"] == "within its limit"


def test_one_that_asks_for_far_too_much_at_once_is_given_nothing(done):
    source = "def main():\n    return len(bytearray(3 * 1024 ** 3))"

    job = done(source, limits={"memory": 100 * MEBIBYTE})

    assert job.report["error"]["type"] == "MemoryError"
    assert job.report["error"]["code"] == "resource_limit"
    assert "more memory than its limit of 100 MiB leaves room for" in job.report["error"]["message"]


def test_a_want_of_memory_without_a_limit_is_the_jobs_own_error(done):
    job = done("def main():\n    raise MemoryError('all gone')")

    assert job.report["error"]["code"] == "application_error"


def test_a_limit_of_processors_is_kept_roughly_and_the_log_says_so(done):
    source = "import os\ndef main():\n    return [len(os.sched_getaffinity(0)), os.nice(0)]"

    job = done(source, limits={"cpu": 0.5})

    assert job.report["result"] == [1, os.nice(0) + limits.NICE_INSTEAD]
    told = [message for message in job.last.messages("robot") if "0.5 processor cores is kept only roughly" in message]
    assert len(told) == 1


def test_a_job_steps_back_as_far_as_its_process_says(done):
    job = done("import os\ndef main():\n    return os.nice(0)", limits={"nice": 11})

    assert job.report["result"] == os.nice(0) + 11


def test_the_machines_operator_has_the_last_word(server, start_robot):
    job = server.add_job(
        server.add_package(package(GROWS)), parameters={"mebibytes": 300}, limits={"memory": 900 * MEBIBYTE}
    )

    start_robot(environ={"BV_ROBOT_MEMORY_LIMIT": "100"})

    server.wait_for_end(job)
    assert "more than its limit of 100 MiB" in job.report["error"]["message"]


def test_a_limit_set_for_the_robot_at_the_orchestrator_counts_too(server, start_robot):
    server.pushed = {"memory_limit": 100}
    start_robot()
    server.wait_until(lambda: len(server.calls("sync")) > 1)

    job = server.add_job(server.add_package(package(GROWS)), parameters={"mebibytes": 300})

    server.wait_for_end(job)
    assert "more than its limit of 100 MiB" in job.report["error"]["message"]


def test_processes_that_come_and_go_without_end_are_counted_all_the_same(done):
    source = """
        import os, time
        def main():
            end = time.monotonic() + 2
            while time.monotonic() < end:
                for _ in range(20):
                    if os.fork() == 0:
                        sum(range(2000))
                        os._exit(0)
                while True:
                    try:
                        os.wait()
                    except ChildProcessError:
                        break
            return "done"
    """
    job = done(source, limits={"memory": 500 * MEBIBYTE})

    assert job.report["result"] == "done"
    assert job.report["usage"]["cpu_seconds"] > 0


# The operator's settings


def settings(home, **environ):
    return config.load(Home(home), {f"BV_ROBOT_{name.upper()}": text for name, text in environ.items()})


def test_half_a_core_and_a_yes_can_be_set(home):
    found = settings(home, cpu_limit="0.5", keep_core_files="yes")

    assert found.cpu_limit == 0.5
    assert found.keep_core_files is True


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("cpu_limit", "many", "cpu_limit: 'many' is not a number"),
        ("cpu_limit", "-1", "cpu_limit: -1 is not a number of cores"),
        ("cpu_limit", "nan", "cpu_limit: nan is not a number of cores"),
        ("keep_core_files", "perhaps", "keep_core_files: 'perhaps' is neither true nor false"),
    ],
)
def test_what_cannot_be_a_limit_is_named(home, name, text, told):
    with pytest.raises(ConfigError, match=told):
        settings(home, **{name: text})


# What the kernel did


def confinement(counters):
    return Confinement(Limits(), "mark", group=None, keeps_cores=False, say=lambda *_: None, counters=counters)


def test_a_kill_by_the_kernel_of_a_full_machine_is_known_by_its_count(tmp_path):
    counters = tmp_path / "vmstat"
    counters.write_text("nr_free_pages 5\noom_kill 3\n")
    watched = confinement(counters)
    before = watched.kill_by_kernel()

    counters.write_text("nr_free_pages 5\noom_kill 4\n")

    assert before is None
    assert "ran out of memory" in watched.kill_by_kernel()


def test_a_system_that_does_not_count_is_no_error(tmp_path):
    assert confinement(tmp_path / "missing").kill_by_kernel() is None
