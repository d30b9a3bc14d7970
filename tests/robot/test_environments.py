"""Environments of packages: built once per lock, by uv or else by pip, and never half."""

import dataclasses
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from bv_robot import environments

from tests import robots_at_work
from tests.robot.packages import package, wheel

ABSENT = "==3.8.0"
"""A Python that uv could fetch, and that no machine of ours has."""
USES_LIBRARY = "import sys, tinylib\ndef main():\n    print('ran')\n    return [tinylib.VERSION, sys.prefix]"


def lock(directory):
    return f"# Pinned.\ntinylib @ file://{wheel(directory)}\n"


def environments_in(home):
    return [path for path in (home / "environments").iterdir() if path.is_dir()]


def test_a_job_finds_what_its_lock_names_and_nothing_of_the_robot(server, start_robot, tmp_path, home):
    source = """
        import importlib.util, tinylib
        def main():
            return [tinylib.VERSION, importlib.util.find_spec("httpx") is None]
    """
    job = server.add_job(server.add_package(package(source, lock=lock(tmp_path))))

    start_robot()

    server.wait_for_end(job)
    assert job.report["result"] == ["1.0", True]
    assert "Building the environment from requirements.lock." in job.last.messages("robot")


def test_two_jobs_that_need_one_environment_build_it_once(server, start_robot, tmp_path, home):
    server.slots = 3
    content = server.add_package(package(USES_LIBRARY, lock=lock(tmp_path)))
    jobs = [server.add_job(content) for _ in range(3)]

    start_robot()

    ended = [server.wait_for_end(job) for job in jobs]
    builders = [job for job in ended if "Building the environment from requirements.lock." in job.last.messages()]
    assert {tuple(job.report["result"]) for job in ended} == {("1.0", str(environments_in(home)[0]))}
    assert len(builders) == 1
    assert len(environments_in(home)) == 1


def test_a_failed_build_tells_the_installers_reason_and_does_not_spoil_the_next(server, start_robot, tmp_path, home):
    missing = tmp_path / "tinylib-1.0-py3-none-any.whl"
    content = server.add_package(package(USES_LIBRARY, lock=f"tinylib @ file://{missing}\n"))
    failing = server.add_job(content)
    start_robot()
    server.wait_for_end(failing, 60)
    left = environments_in(home)

    wheel(tmp_path)
    mended = server.add_job(content)

    server.wait_for_end(mended)
    assert failing.report["error"]["code"] == "environment_error"
    first, *_ = failing.report["error"]["message"].splitlines()
    assert first.startswith(f"The environment could not be built: Distribution not found at: file://{missing}")
    assert "No such file or directory" in failing.report["error"]["message"]
    assert any(str(missing) in message for message in failing.last.messages("robot"))
    assert left == []
    assert mended.status == "completed"


def test_a_python_that_this_machine_lacks_is_named(server, start_robot):
    content = server.add_package(package("def main(): pass"), python_version="3.2")
    job = server.add_job(content)

    start_robot()

    server.wait_for_end(job)
    assert job.report["error"]["code"] == "environment_error"
    assert "asks for Python 3.2, which this machine does not have; it has " in job.report["error"]["message"]
    assert platform.python_version() in job.report["error"]["message"]


def test_a_python_that_the_robot_itself_has_will_do(server, start_robot):
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    content = server.add_package(package("import sys\ndef main():\n    return sys.version"), python_version=own)
    job = server.add_job(content)

    start_robot()

    server.wait_for_end(job)
    assert job.report["result"].startswith(own)


# The workshop itself


@pytest.fixture
def said():
    return []


@pytest.fixture
def workshop(tmp_path, said):
    directory = tmp_path / "environments"
    directory.mkdir()
    return environments.Workshop(directory, 120, lambda: os.sched_yield(), said.append)


def written(directory: Path, text: str) -> Path:
    path = directory / "requirements.lock"
    path.write_text(text)
    return path


def test_a_range_is_met_by_the_robots_own_python_wherever_that_lies(tmp_path, workshop, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))

    found = environments.base_python(">=3.8", workshop)

    assert found.resolve() == environments.base_python("", workshop)


def test_an_empty_lock_needs_no_installer(tmp_path, workshop, said, monkeypatch):
    monkeypatch.setattr(environments, "_install", forbidden)

    python = environments.prepare(written(tmp_path, "# Nothing.\n\n"), "", workshop)

    assert python.exists()
    assert said == []


def forbidden(*_):
    raise AssertionError("an installer was called")


def test_pip_builds_where_uv_cannot_run(tmp_path, workshop, said, monkeypatch):
    monkeypatch.setattr(environments, "uv_binary", lambda: str(tmp_path / "no-uv"))

    python = environments.prepare(written(tmp_path, lock(tmp_path)), "", workshop)

    assert list(python.parent.parent.glob("lib/*/site-packages/tinylib.py"))
    assert "uv could not build the environment, so pip tries." in said[1]


def test_a_python_without_pip_gets_one_for_the_build(tmp_path, workshop, monkeypatch):
    monkeypatch.setattr(environments, "uv_binary", lambda: str(tmp_path / "no-uv"))
    bare = environments.prepare(written(tmp_path, ""), "", workshop)
    monkeypatch.setattr(environments, "base_python", lambda version, workshop: bare)

    python = environments.prepare(written(tmp_path, lock(tmp_path)), "", workshop)

    assert list(python.parent.parent.glob("lib/*/site-packages/tinylib.py"))


def test_a_build_that_takes_too_long_is_ended(tmp_path, workshop):
    os.mkfifo(tmp_path / "endless-1.0-py3-none-any.whl")
    text = f"endless @ file://{tmp_path}/endless-1.0-py3-none-any.whl\n"
    hurried = environments.Workshop(workshop.directory, 0.3, workshop.pause, workshop.say)

    with pytest.raises(environments.EnvironmentFailed, match=r"took longer than 0\.3 seconds"):
        environments.prepare(written(tmp_path, text), "", hurried)

    assert [path.name for path in workshop.directory.iterdir() if path.is_dir()] == []


def test_a_build_interrupted_by_a_crash_is_begun_anew(tmp_path, workshop):
    path = written(tmp_path, lock(tmp_path))
    python = environments.prepare(path, "", workshop)
    (python.parent.parent / "complete.json").unlink()
    next(python.parent.parent.glob("lib/*/site-packages/tinylib.py")).unlink()

    again = environments.prepare(path, "", workshop)

    assert again == python
    assert list(python.parent.parent.glob("lib/*/site-packages/tinylib.py"))


def test_comments_and_order_of_nothing_make_no_other_environment(tmp_path):
    first = environments.requirements_of(written(tmp_path, "# One.\na==1\n\n  b==2\n"))

    assert first == ["a==1", "b==2"]


def test_an_installer_does_not_see_the_robots_key():
    given = {"PATH": "/bin", "ORCHESTRATOR_API_KEY": "x", "BV_ROBOT_HOME": "y", "UV_INDEX_URL": "z"}

    assert environments.installer_environment(given) == {"PATH": "/bin", "UV_INDEX_URL": "z"}


BUILDS = """
import sys, time
from pathlib import Path
from bv_robot import environments
said = []
shop = environments.Workshop(Path(sys.argv[1]), 120, lambda: time.sleep(0.02), said.append)
input()
print(environments.prepare(Path(sys.argv[2]), "", shop), len(said), flush=True)
"""


def test_of_many_processes_that_need_one_environment_one_builds_it(tmp_path, workshop):
    path = written(tmp_path, lock(tmp_path))
    command = [robots_at_work.environment() / "bin" / "python", "-c", BUILDS, workshop.directory, path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    builders = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for builder in builders:
        builder.stdin.write("go\n")
        builder.stdin.flush()
    told = [builder.communicate(timeout=60)[0].split() for builder in builders]

    assert len({python for python, _ in told}) == 1
    assert sorted(steps for _, steps in told) == ["0", "0", "0", "1"]


@pytest.mark.parametrize("wanted", ["banana", "/bin/sh", "pypy3.9", "3.11; rm"])
def test_what_is_no_version_of_python_is_refused(workshop, wanted):
    with pytest.raises(environments.EnvironmentFailed, match=r"is none: write it like 3\.11 or >=3\.10,<3\.13"):
        environments.base_python(wanted, workshop)


def test_a_python_is_fetched_only_where_the_operator_allows_it(workshop, said, monkeypatch):
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", "http://127.0.0.1:9/nowhere")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")

    with pytest.raises(environments.EnvironmentFailed, match=r"does not have; it has .* or set python_downloads"):
        environments.base_python(ABSENT, workshop)
    allowed = dataclasses.replace(workshop, downloads_python=True)
    with pytest.raises(environments.EnvironmentFailed, match="could not be downloaded: "):
        environments.base_python(ABSENT, allowed)

    assert said == [f"Downloading Python {ABSENT}, which this machine does not have."]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Using Python 3.11\n  × No solution found when resolving dependencies:\n"
            "  ╰─▶ Because ghost was not found in the package registry, nothing fits.\n",
            "No solution found when resolving dependencies: "
            "Because ghost was not found in the package registry, nothing fits.",
        ),
        ("error: Failed to fetch: `x`\n  Caused by: one\n  Caused by: dns error\n", "Failed to fetch: `x`: dns error"),
        (
            "error: No solution found when resolving\n  cause: Because ghost was not found, nothing fits.\n",
            "No solution found when resolving: Because ghost was not found, nothing fits.",
        ),
        (
            "Collecting ghost\nERROR: Could not find a version (from versions: none)\nERROR: No matching",
            "Could not find a version (from versions: none)",
        ),
        ("it simply stopped\nhere", "here"),
        ("", "the installer said nothing"),
    ],
)
def test_the_reason_is_found_in_what_an_installer_said(said, reason):
    assert environments.reason_of(said) == reason
