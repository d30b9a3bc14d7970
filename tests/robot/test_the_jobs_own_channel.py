"""What a job is told about its orchestrator, and what it may say: its token, its log, its runtime."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import bv_robot
import pytest

from tests.robot.packages import package

ROBOT = Path(bv_robot.__file__).parent
INSIDE_JOBS = [ROBOT / "child.py", *sorted((ROBOT / "job").glob("*.py"))]
FACTS = """
    import sys
    def main():
        seen = sys.modules["bv_robot_connection"]
        return {"token": seen.token, **seen.orchestrator}
"""
FAKE_CONTEXT = "SEEN = {}\ndef set_runtime_context(**given):\n    SEEN.update(given)"


def test_a_job_knows_its_orchestrator_and_has_a_token_of_its_own(done, shared_robot):
    server, _ = shared_robot

    job = done(FACTS)

    told = job.report["result"]
    assert told["token"] == server.job_token(job.last)
    assert (told["url"], told["base_url"]) == (server.url, f"{server.url}/acme/orchestrator_")
    assert (told["execution"], told["lease"], told["tenant"]) == (job.last.id, job.last.lease_id, "acme")
    assert (told["folder"], told["project_type"]) == (job.lease["folder"]["id"], "rpa")
    assert told["robot"] in server.tokens
    assert told["machine"]


def test_the_token_is_in_no_argument_and_no_variable_and_only_its_robots_user_can_read_it(done, shared_robot):
    source = """
        import os, pathlib, sys
        def main():
            everything = [pathlib.Path(f"/proc/self/{name}").read_text() for name in ("environ", "cmdline")]
            launch = pathlib.Path(os.environ["BV_JOB_CHANNEL"]).parent / "launch.json"
            token = sys.modules["bv_robot_connection"].token
            return [token in "".join([*everything, str(dict(os.environ))]), oct(launch.stat().st_mode & 0o777),
                    token in launch.read_text()]
    """

    assert done(source).report["result"] == [False, "0o600", True]


def test_a_server_that_gives_no_token_is_no_obstacle(server, start_robot):
    server.gives_job_tokens = False
    source = """
        from bv_robot import job
        def main():
            job.log("still heard")
            with job.span("a step"):
                pass
            try:
                job.start("other")
            except job.NotConnected as error:
                return str(error)
    """
    given = server.add_job(server.add_package(package(source)))

    start_robot()

    server.wait_for_end(given)
    assert "gives its jobs no token" in given.report["result"]
    assert given.last.messages() == ["still heard"]
    assert server.calls("spans") == []


# Runtimes that packages bring


def test_a_released_runtime_is_told_who_it_is_before_anything_runs(done, shared_robot):
    server, _ = shared_robot
    source = "from bv.runtime import context\nSEEN = dict(context.SEEN)\ndef main():\n    return SEEN"
    files = {"bv/__init____py": "", "bv/runtime/__init____py": "", "bv/runtime/context__py": FAKE_CONTEXT}

    job = done(source, files=files)

    told = job.report["result"]
    assert told["base_url"] == f"{server.url}/acme/orchestrator_"
    assert (told["robot_token"], told["execution_id"]) == (server.job_token(job.last), job.last.id)
    assert (told["tenant_id"], told["folder_id"], told["project_type"]) == ("acme", job.lease["folder"]["id"], "rpa")


def test_an_older_runtime_finds_the_same_in_variables(done, shared_robot):
    server, _ = shared_robot
    source = "import os\ndef main():\n    return {n: v for n, v in os.environ.items() if n.startswith('BV_')}"

    job = done(source, files={"bv/__init____py": ""})

    told = job.report["result"]
    assert told["BV_ORCHESTRATOR_URL"] == server.url
    assert (told["BV_ROBOT_TOKEN"], told["BV_JOB_EXECUTION_ID"]) == (server.job_token(job.last), job.last.id)
    assert told["BV_SDK_RUN"] == "1"


def test_an_older_runtime_may_read_them_while_it_is_imported(done, shared_robot):
    server, _ = shared_robot
    files = {"bv/runtime__py": "import os\ntoken = os.environ.get('BV_ROBOT_TOKEN')"}

    job = done("from bv import runtime\ndef main():\n    return runtime.token", files=files)

    assert job.report["result"] == server.job_token(job.last)


def test_a_runtime_that_wants_something_else_is_said_and_left_alone(done):
    files = {"bv/__init____py": "", "bv/runtime/__init____py": ""}
    files["bv/runtime/context__py"] = "def set_runtime_context(*, everything):\n    pass"

    job = done("def main():\n    return 'ran'", files=files)

    assert job.report["result"] == "ran"
    assert any("cannot be told who this job is" in message for message in job.last.messages())


# The log


def test_a_log_line_has_its_level_and_fields(done):
    source = """
        from bv_robot import job
        def main():
            print("before")
            job.log("booked", "warning", invoice=7, name="n", message="m")
            job.log("two\\nlines", "DEBUG")
            job.log("odd", "LOUD", value=object)
            job.log("long", text="x" * 3000)
    """

    lines = done(source).last.lines()

    told = [(line["l"], line["s"], line["m"], line.get("f")) for line in lines]
    assert told[:4] == [
        ("INFO", "stdout", "before", None),
        ("WARN", "log", "booked", {"invoice": 7, "name": "n", "message": "m"}),
        ("DEBUG", "log", "two", None),
        ("DEBUG", "log", "lines", None),
    ]
    assert (told[4][0], told[4][3]) == ("INFO", {"value": "<class 'object'>"})
    assert told[5][3] == {"left_out": ["text"]}


# Outside a robot


def test_outside_a_robot_everything_is_quiet_and_logging_hears_the_log(tmp_path):
    source = """
import logging, pathlib
from bv_robot import job
logging.basicConfig(level="DEBUG", format="%(levelname)s %(message)s")
job.progress(10)
job.artefact(b"x", name="x.txt")
with job.span("step", input=1, colour="red") as step:
    step.output = 2
job.log("told", "WARN", invoice=7)
try:
    job.start("other")
except job.NotConnected as error:
    print(error)
print(job.parameters(), job.is_cancelled(), list(pathlib.Path().iterdir()))
"""
    run = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROBOT.parent)},
        capture_output=True,
        text=True,
    )

    assert run.stderr == 'WARNING told {"invoice": 7}\n'
    assert run.stdout.splitlines() == [
        "Only a job's own process, run by a robot, can ask its orchestrator.",
        "{} False []",
    ]


@pytest.mark.parametrize("path", INSIDE_JOBS, ids=lambda path: path.name)
def test_what_runs_inside_jobs_is_written_for_old_pythons(path):
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_the_authors_module_takes_nothing_heavy_along():
    source = "import sys; from bv_robot import job; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-S", "-c", source], env={"PYTHONPATH": str(ROBOT.parent)}, capture_output=True, text=True
    )

    loaded = set(ast.literal_eval(run.stdout))
    assert not loaded & {"ssl", "http.client", "urllib.request", "hashlib", "mimetypes", "asyncio", "subprocess"}
    assert json.__name__ in loaded
