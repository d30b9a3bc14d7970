"""One supervisor: what dies is started again, and what is stopped leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from orchestrator.supervisor import programs
from orchestrator.supervisor.children import BackOff, Program
from orchestrator.supervisor.supervisor import Cancelled, NotReady, Supervisor
from tests.orchestrator.processes import FAILS, IGNORES_TERM, SLEEPS, eventually, numbers_in, python, runs

AT_ONCE = BackOff(first=0.05, cap=0.2, stable_after=60)
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(tmp_path, said):
    supervisor = Supervisor(tmp_path / "logs", say=said.append, back_off=AT_ONCE)
    yield supervisor
    supervisor.stop()


def test_a_program_runs_in_a_session_of_its_own(supervisor):
    supervisor.start(python(SLEEPS))
    supervisor.wait_ready("child", timeout=10)

    pid = supervisor.pid_of("child")

    assert os.getsid(pid) == pid
    assert os.getpgid(pid) == pid


def test_what_a_program_says_is_in_its_log(supervisor, tmp_path):
    supervisor.start(
        python("import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True);" + SLEEPS)
    )

    log = tmp_path / "logs" / "child.log"

    assert eventually(lambda: log.read_text() == "out\nerr\n")


def test_a_killed_child_is_started_again_and_that_is_said(supervisor, said):
    supervisor.start(python(SLEEPS))
    first = supervisor.pid_of("child")

    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: supervisor.pid_of("child") not in {None, first} and supervisor.pid_of("child"))

    assert runs(second)
    assert said == ["child was ended by SIGKILL; starting it again in 0.05 s."]


def test_a_child_that_keeps_failing_is_started_less_and_less_often(supervisor, said):
    supervisor.start(python(FAILS))

    eventually(lambda: len(said) >= 4)

    assert said[:4] == [
        "child ended with exit code 3; starting it again in 0.05 s.",
        "child ended with exit code 3; starting it again in 0.1 s.",
        "child ended with exit code 3; starting it again in 0.2 s.",
        "child ended with exit code 3; starting it again in 0.2 s.",
    ]


def test_a_child_that_ran_well_for_long_is_forgiven(tmp_path, said):
    supervisor = Supervisor(tmp_path, say=said.append, back_off=BackOff(first=0.05, cap=9, stable_after=0))
    supervisor.start(python(FAILS))

    eventually(lambda: len(said) >= 3)
    supervisor.stop()

    assert set(said) == {"child ended with exit code 3; starting it again in 0.05 s."}


def test_what_is_said_is_written_down_with_the_time(supervisor, tmp_path):
    supervisor.say("Something happened.")

    assert (tmp_path / "logs" / "supervisor.log").read_text().endswith("Z Something happened.\n")


def test_children_are_looked_after_although_nobody_can_be_told(tmp_path):
    def say(message):
        raise BrokenPipeError

    supervisor = Supervisor(tmp_path, say=say, back_off=AT_ONCE)
    supervisor.start(python(SLEEPS))
    first = supervisor.pid_of("child")

    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: supervisor.pid_of("child") not in {None, first} and supervisor.pid_of("child"))

    assert runs(second)
    supervisor.stop()


def test_a_program_that_does_not_exist_is_tried_again_and_said(supervisor, said):
    supervisor.start(Program("child", ["/no/such/program"], {}))

    eventually(lambda: len(said) >= 2)

    assert said[0].startswith("child cannot be started")


def test_a_dead_child_takes_its_group_along(supervisor, tmp_path):
    note = tmp_path / "pids"
    code = (
        f"import subprocess, sys, os, time\nchild = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}])\n"
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}} ')\ntime.sleep(600)"
    )
    supervisor.start(python(code))
    leader, follower = eventually(lambda: len(numbers_in(note)) == 2 and numbers_in(note))

    os.kill(leader, signal.SIGKILL)

    eventually(lambda: not runs(follower))


def test_waiting_ends_when_the_program_does_its_work(supervisor, tmp_path):
    sign = tmp_path / "ready"
    supervisor.start(python(f"import time; time.sleep(0.3); open({str(sign)!r}, 'w'); {SLEEPS}", is_ready=sign.exists))

    supervisor.wait_ready("child", timeout=20)

    assert sign.exists()


def test_waiting_for_a_program_that_keeps_dying_shows_the_end_of_its_log(supervisor):
    supervisor.start(python(FAILS, is_ready=lambda: False))

    with pytest.raises(NotReady, match="no such thing"):
        supervisor.wait_ready("child", timeout=60)


def test_waiting_gives_up_in_the_end(supervisor):
    supervisor.start(python(SLEEPS, is_ready=lambda: False))

    with pytest.raises(NotReady, match="child did not come up"):
        supervisor.wait_ready("child", timeout=0.2)


def test_waiting_ends_when_somebody_cancels(tmp_path):
    supervisor = Supervisor(tmp_path, say=lambda line: None, is_cancelled=lambda: True)

    with pytest.raises(Cancelled):
        supervisor.start(python(SLEEPS))

    supervisor.stop()


def test_lower_ranks_are_stopped_first(supervisor, tmp_path):
    note = tmp_path / "ends"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    open({note!r}, 'a').write({name!r} + ' ')\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\nopen({sign!r}, 'w')\ntime.sleep(600)"
    )
    ranks = {"database": 3, "web": 1, "robot": 0, "broker": 2}
    signs = {name: tmp_path / name for name in ranks}
    started = [
        python(
            code.format(note=str(note), name=name, sign=str(signs[name])), name, rank=rank, is_ready=signs[name].exists
        )
        for name, rank in ranks.items()
    ]
    list(map(supervisor.start, started))
    supervisor.wait_ready(*ranks, timeout=30)

    supervisor.stop()

    assert note.read_text().split() == ["robot", "web", "broker", "database"]


def test_a_child_deaf_to_the_signal_is_killed_after_its_grace(supervisor, tmp_path):
    log = tmp_path / "logs" / "child.log"
    supervisor.start(python(IGNORES_TERM, grace=0.2))
    eventually(lambda: "deaf" in log.read_text())
    pid = supervisor.pid_of("child")

    supervisor.stop()

    assert not runs(pid)


def test_a_child_that_waits_for_a_second_word_gets_it(supervisor, tmp_path):
    note, sign = tmp_path / "words", tmp_path / "ready"
    code = (
        "import signal, sys, time\nwords = []\n"
        "def hear(*_):\n    words.append('word')\n"
        f"    if len(words) == 2:\n        open({str(note)!r}, 'w').write('ended well')\n        sys.exit()\n"
        f"signal.signal(signal.SIGTERM, hear)\nopen({str(sign)!r}, 'w')\n"
        "while True:\n    time.sleep(0.05)"
    )
    supervisor.start(python(code, grace=20, urge_after=0.1, is_ready=sign.exists))
    supervisor.wait_ready("child", timeout=20)

    supervisor.stop()

    assert note.read_text() == "ended well"


def test_the_last_rank_may_use_the_time_that_the_others_did_not_need(supervisor, tmp_path):
    note, sign = tmp_path / "end", tmp_path / "ready"
    code = (
        "import signal, sys, time\n"
        f"def end(*_):\n    time.sleep(0.5)\n    open({str(note)!r}, 'w').write('ended well')\n    sys.exit()\n"
        f"signal.signal(signal.SIGTERM, end)\nopen({str(sign)!r}, 'w')\ntime.sleep(600)"
    )
    supervisor.start(python(SLEEPS, "web", rank=1))
    supervisor.start(python(code, "database", rank=3, grace=0.1, is_ready=sign.exists))
    supervisor.wait_ready("database", timeout=20)

    supervisor.stop()

    assert note.read_text() == "ended well"


def test_grandchildren_in_sessions_of_their_own_end_too(supervisor, tmp_path):
    note = tmp_path / "pids"
    code = (
        f"import subprocess, sys, time\nchild = subprocess.Popen([sys.executable, '-c', {IGNORES_TERM!r}],"
        f" start_new_session=True)\nopen({str(note)!r}, 'w').write(str(child.pid))\ntime.sleep(600)"
    )
    supervisor.start(python(code, grace=1))
    (grandchild,) = eventually(lambda: numbers_in(note))

    supervisor.stop()

    assert eventually(lambda: not runs(grandchild))


def test_the_graces_of_all_ranks_add_up_to_less_than_ten_seconds():
    graces = (programs.ROBOT_GRACE, programs.ROLE_GRACE, programs.BROKER_GRACE, programs.DATABASE_GRACE)

    assert sum(graces) < 9.5


def test_stopping_twice_does_no_harm(supervisor):
    supervisor.start(python(SLEEPS))

    supervisor.stop()
    supervisor.stop()

    assert supervisor.pid_of("child") is None


def test_nothing_is_started_after_the_end(supervisor):
    supervisor.stop()

    with pytest.raises(Cancelled):
        supervisor.start(python(SLEEPS))


SUPERVISOR_TO_KILL = """
import sys, time
from pathlib import Path
from orchestrator.supervisor.supervisor import Supervisor
from tests.orchestrator.processes import IGNORES_TERM, SLEEPS, python

supervisor = Supervisor(Path(sys.argv[1]), say=print)
supervisor.start(python(SLEEPS, "one"))
supervisor.start(python(IGNORES_TERM, "deaf", grace=0.3))
folder = Path(sys.argv[1]) / "to-remove"
folder.mkdir()
supervisor.guardian.remove_at_end(folder)
print(supervisor.pid_of("one"), supervisor.pid_of("deaf"), supervisor.guardian.pid, flush=True)
time.sleep(600)
"""


def run_a_supervisor_to_kill(tmp_path):
    command = [sys.executable, "-c", SUPERVISOR_TO_KILL, str(tmp_path)]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


def test_a_killed_supervisor_leaves_nothing_behind(tmp_path):
    with run_a_supervisor_to_kill(tmp_path) as process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        eventually(lambda: "deaf" in (tmp_path / "deaf.log").read_text())

        process.kill()

        eventually(lambda: not any(map(runs, pids)))
        assert not (tmp_path / "to-remove").exists()


def test_a_killed_guardian_is_replaced_and_told_everything(tmp_path):
    with run_a_supervisor_to_kill(tmp_path) as process:
        *children, guardian = (int(pid) for pid in process.stdout.readline().split())
        others = {child.pid for child in psutil_children(process.pid)}

        os.kill(guardian, signal.SIGKILL)
        eventually(lambda: {child.pid for child in psutil_children(process.pid)} - others - {guardian})
        process.kill()

        eventually(lambda: not any(map(runs, children)))


def psutil_children(pid):
    return [child for child in psutil.Process(pid).children() if runs(child.pid)]


def test_a_supervisor_that_ends_well_leaves_its_guardian_nothing_to_do(supervisor):
    guardian = supervisor.guardian.pid

    supervisor.stop()

    assert not runs(guardian)


def test_a_step_returns_what_it_said_and_tells_it_line_by_line(supervisor, tmp_path):
    lines = []

    output = supervisor.run(python("print('one'); print('two', end='')", "step"), on_line=lines.append)

    assert output == "one\ntwo"
    assert lines == ["one", "two"]
    assert (tmp_path / "logs" / "step.log").read_text() == "one\ntwo"


def test_a_step_that_fails_says_why(supervisor):
    with pytest.raises(NotReady, match=r"(?s)step ended with exit code 3.*no such thing"):
        supervisor.run(python(FAILS, "step"))


def test_a_step_that_cannot_be_started_says_so(supervisor):
    with pytest.raises(NotReady, match="step cannot be started"):
        supervisor.run(Program("step", ["/no/such/program"], {}))


def test_a_step_is_killed_when_somebody_cancels(tmp_path):
    note = tmp_path / "pid"
    supervisor = Supervisor(tmp_path / "logs", say=lambda line: None, is_cancelled=note.exists)
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"

    with pytest.raises(Cancelled):
        supervisor.run(python(code, "step"))

    assert not any(map(runs, numbers_in(note)))
    supervisor.stop()
