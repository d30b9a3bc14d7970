"""Control groups: on files that stand for the kernel's, and on the kernel's own where this machine hands some over."""

import contextlib
import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from bv_robot import cgroups, checks_of_host
from bv_robot.cgroups import JobGroup, NotDelegated
from bv_robot.config import Home
from bv_robot.limits import MEBIBYTE, Limits
from bv_robot.runner import Plan
from bv_robot.spool import Spool, write_note

from tests import robots_at_work


def given_by_this_machine():
    """The group that this machine has handed over to the tests, if any."""
    try:
        group = cgroups.delegated()
        cgroups.take(group)
    except NotDelegated:
        return []
    return [pytest.param(group, id="the kernel's")]


REAL = given_by_this_machine()


@pytest.fixture(params=[pytest.param(None, id="files"), *REAL])
def group(request, tree):
    return request.param or tree


def text(directory, name):
    return (directory / name).read_text().strip()


def emptied(directory):
    """What the kernel does by itself: files of a group are no obstacle to its removal."""
    for file in directory.iterdir():
        with contextlib.suppress(PermissionError):  # One of the kernel's.
            file.unlink()


# The robot's part of the tree


def proc(tmp_path, mount, path="/", lines=("0::{}",)):
    """A /proc of a process in this group."""
    directory = tmp_path / "proc"
    (directory / "self").mkdir(parents=True)
    (directory / "self" / "cgroup").write_text("\n".join(line.format(path) for line in lines))
    (directory / "self" / "mounts").write_text(f"tmpfs /tmp tmpfs rw 0 0\ncgroup2 {mount} cgroup2 rw 0 0\n")
    return directory


@pytest.fixture
def tree(tmp_path):
    """Plain files for a group that a container was given as the root of its own namespace."""
    made = tmp_path / "tree"
    made.mkdir()
    for name, content in {
        "cgroup.procs": f"{os.getpid()}\n",
        "cgroup.subtree_control": "",
        "cgroup.type": "domain\n",
        "cgroup.controllers": "cpu memory pids\n",
    }.items():
        (made / name).write_text(content)
    return made


def test_the_root_of_a_containers_namespace_is_its_own(tmp_path, tree):
    assert cgroups.delegated(proc=proc(tmp_path, tree)) == tree


def test_the_root_of_the_machine_is_not_ours_even_where_root_can_write(tmp_path, tree):
    (tree / "cgroup.type").unlink()

    with pytest.raises(NotDelegated, match="was not handed over"):
        cgroups.delegated(proc=proc(tmp_path, tree))


def test_a_service_is_not_ours_because_it_can_be_written(tmp_path, tree):
    service = tree / "robot.service"
    service.mkdir()
    for file in list(tree.iterdir()):
        if file.is_file():
            (service / file.name).write_text(file.read_text())
    (tree / "cgroup.type").unlink()

    with pytest.raises(NotDelegated, match=r"the control group /robot\.service was not handed over"):
        cgroups.delegated(proc=proc(tmp_path, tree, "/robot.service"))


def test_what_systemd_has_marked_is_ours_also_seen_from_the_group_below(tmp_path, tree, monkeypatch):
    service = tree / "robot.service"
    (service / "bv-robot").mkdir(parents=True)
    for file in list(tree.iterdir()):
        if file.is_file():
            (service / file.name).write_text(file.read_text())
    marked = {(service, "user.delegate"): b"1"}

    def as_the_kernel_answers(path, name):
        if (path, name) not in marked:
            raise OSError(61, "No data available")
        return marked[path, name]

    monkeypatch.setattr(os, "getxattr", as_the_kernel_answers)

    assert cgroups.delegated(proc=proc(tmp_path, tree, "/robot.service/bv-robot")) == service


def test_a_missing_controller_is_named(tmp_path, tree):
    (tree / "cgroup.controllers").write_text("cpu pids\n")

    with pytest.raises(NotDelegated, match="has no controller for memory"):
        cgroups.delegated(proc=proc(tmp_path, tree))


def test_control_groups_of_version_one_alone_do_not_do(tmp_path, tree):
    with pytest.raises(NotDelegated, match="no control groups of version 2"):
        cgroups.delegated(proc=proc(tmp_path, tree, lines=("4:memory:{}",)))


def test_the_listener_moves_down_and_hands_the_controllers_on(tree):
    cgroups.take(tree)

    assert text(tree / "bv-robot", "cgroup.procs") == str(os.getpid())
    assert text(tree, "cgroup.subtree_control") == "+memory +cpu +pids"


def test_what_the_kernel_refuses_is_said(tree):
    (tree / "cgroup.subtree_control").unlink()
    (tree / "cgroup.subtree_control").mkdir()

    with pytest.raises(NotDelegated, match="cannot be divided"):
        cgroups.take(tree)


def test_groups_that_a_crash_left_are_swept_away_and_others_stay(tree):
    (tree / "bv-job-left" / "below").mkdir(parents=True)
    (tree / "foreign").mkdir()

    cgroups.take(tree)

    assert not (tree / "bv-job-left").exists()
    assert (tree / "foreign").exists()


def test_the_doctor_says_which_way_limits_are_kept_and_what_to_do(home):
    found = checks_of_host.check_limits(Home(home))

    assert found.name == "limits"
    assert not found.needs_attention
    assert ("control groups in" in found.found) or ("Delegate=yes" in found.advice)


# The group of a job


def test_a_group_has_the_limits_of_its_job(group):
    job = JobGroup.of(group, "e1")

    job.make(Limits(memory=100 * MEBIBYTE, cpu=1.5))

    assert text(job.directory, "memory.max") == str(100 * MEBIBYTE)
    assert text(job.directory, "memory.swap.max") == "0"
    assert text(job.directory, "memory.oom.group") == "1"
    assert text(job.directory, "cpu.max") == "150000 100000"
    assert text(job.directory, "pids.max") == str(cgroups.MOST_PROCESSES)
    emptied(job.directory)
    assert job.remove()
    assert not job.directory.exists()


def test_what_a_group_tells_is_read(tree):
    job = JobGroup.of(tree, "e1")
    job.make(Limits())
    for name, content in {
        "cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
        "memory.current": "5000\n",
        "memory.stat": "anon 4000\ninactive_file 1000\n",
        "memory.events": "low 0\noom 1\noom_kill 2\n",
        "pids.events": "max 3\n",
    }.items():
        (job.directory / name).write_text(content)

    assert job.cpu_seconds() == 1.5
    assert job.memory() == 4000
    assert job.kills() == 2
    assert job.forks_refused() == 3


def test_a_group_that_is_gone_tells_nothing(tree):
    gone = JobGroup.of(tree, "gone")

    gone.kill()

    assert (gone.cpu_seconds(), gone.memory(), gone.kills(), gone.forks_refused()) == (0.0, 0, 0, 0)
    assert gone.remove()


def test_a_kill_reaches_the_whole_group_where_the_kernel_knows_such(tree):
    job = JobGroup.of(tree, "e1")
    job.make(Limits())
    (job.directory / "cgroup.kill").touch()

    job.kill()

    assert text(job.directory, "cgroup.kill") == "1"


def test_a_group_in_which_something_lives_stays(tree):
    job = JobGroup.of(tree, "e1")
    job.make(Limits())

    assert not job.remove()


# With a supervisor


def supervised(tmp_path, source, group, **limits):
    """Run a job under a real supervisor and return its report and what its log says."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "main.py").write_text(source)
    lease = {"lease": "l1", "job": "j1", "number": 1, "execution": "e1", "parameters": {}, "ttl": 90}
    files = Spool(tmp_path / "spool").add({"lease": lease, "deadline": 2**40, "mark": "m1"})
    python = str(robots_at_work.environment() / "bin" / "python")
    plan = Plan(
        python=python, kind="function", target="main:main", path=[str(work)], work=str(work),
        environment={"BV_JOB_MARK": "m1"}, timeout=60, kill_grace=1, log_limit=10**6, result_limit=10**6, mark="m1",
        limits=asdict(Limits(**limits)), group=str(JobGroup.of(group, "e1").directory), keeps_cores=False,
        keep_failed=None,
    )  # fmt: skip
    write_note(files.launch, asdict(plan))
    write_note(files.control, {"ask": "continue", "deadline": 2**40})
    subprocess.run([python, "-P", "-m", "bv_robot.runner", files.directory], check=True, timeout=60)
    said = [json.loads(line)["m"] for line in files.log.read_text().splitlines()]
    return files.result(), said


GROWS = "def main():\n    held = bytearray(300 << 20)\n    held[::4096] = b'x' * len(held[::4096])\n    return 'grown'"
IS_KILLED = "import os\ndef main():\n    os.kill(os.getpid(), 9)"


@pytest.mark.parametrize(
    ("source", "given"),
    [
        pytest.param(IS_KILLED, None, id="files"),
        *(pytest.param(GROWS, found.values[0], id="the kernel's") for found in REAL),
    ],
)
def test_a_job_that_the_kernel_ends_for_its_memory_says_so(tmp_path, tree, source, given):
    stands_for_the_kernels = JobGroup.of(tree, "e1").directory
    stands_for_the_kernels.mkdir()
    (stands_for_the_kernels / "memory.events").write_text("oom_kill 1\n")

    report, _ = supervised(tmp_path, source, given or tree, memory=100 * MEBIBYTE)

    assert report["error"]["code"] == "resource_limit"
    assert report["error"]["message"] == "The job used more memory than its limit of 100 MiB, and the kernel ended it."


def test_a_job_joins_its_group_before_it_runs(tmp_path, tree):
    report, said = supervised(tmp_path, "def main():\n    return 1", tree, cpu=0.5)

    assert report["result"] == 1
    assert text(tree / "bv-job-e1", "cgroup.procs") == "0"
    assert text(tree / "bv-job-e1", "cpu.max") == "50000 100000"
    assert said == []


def test_a_job_whose_group_cannot_be_made_runs_watched(tmp_path):
    report, said = supervised(tmp_path, "def main():\n    return 1", Path("/proc"), cpu=1)

    assert report["result"] == 1
    assert said[0].startswith("The job's control group could not be made, so its limits are watched instead")
    assert "kept only roughly" in said[1]


def test_a_fork_bomb_is_told_of(tmp_path, tree):
    made = JobGroup.of(tree, "e1").directory
    made.mkdir()
    (made / "pids.events").write_text("max 5\n")

    _, said = supervised(tmp_path, "def main():\n    return 1", tree)

    assert said == ["The job reached the most processes and threads that one may have, and was refused more."]
