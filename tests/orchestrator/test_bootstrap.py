"""The environment is made once, synced when the requirements change, and never loses the superset."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator import bootstrap
from orchestrator.bootstrap import DEV_FILE, RUN_FILE, Environment, SetUpFailed

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path):
    """A checkout with requirements and nothing else."""
    (tmp_path / RUN_FILE).write_text(
        "uv==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via x\nvalkey==2\n"
    )
    (tmp_path / DEV_FILE).write_text("uv==1.0\nruff==1\n")
    return Environment(tmp_path)


@pytest.fixture
def made(environment):
    """The same with an environment of ours in which nothing is installed yet."""
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    (environment.folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    environment.write_empty_stamp()
    return environment


def test_nothing_satisfies_before_it_is_made(environment):
    assert not environment.is_satisfied(RUN_FILE)


def test_an_environment_that_was_never_synced_does_not_satisfy(made):
    assert not made.is_satisfied(RUN_FILE)


def test_a_synced_environment_satisfies_until_the_requirements_change(made):
    made.write_stamp(RUN_FILE)
    assert made.is_satisfied(RUN_FILE)
    assert not made.is_satisfied(DEV_FILE)

    (made.root / RUN_FILE).write_text("uv==1.1\n")
    assert not made.is_satisfied(RUN_FILE)


def test_another_interpreter_below_it_ends_the_satisfaction(made):
    made.write_stamp(RUN_FILE)

    (made.folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.1\n")

    assert not made.is_satisfied(RUN_FILE)


def test_the_superset_satisfies_both(made):
    made.write_stamp(DEV_FILE)

    assert made.is_satisfied(RUN_FILE)
    assert made.is_satisfied(DEV_FILE)


def test_an_environment_of_the_smaller_set_is_synced_to_what_is_needed(made):
    made.write_stamp(RUN_FILE)

    assert made.file_to_sync(RUN_FILE) == RUN_FILE
    assert made.file_to_sync(DEV_FILE) == DEV_FILE


def test_the_superset_is_never_taken_away(made):
    made.write_stamp(DEV_FILE)

    assert made.file_to_sync(RUN_FILE) == DEV_FILE


def test_an_environment_made_by_hand_may_hold_the_superset(made):
    made.stamp.unlink()

    assert made.file_to_sync(RUN_FILE) == DEV_FILE


def test_an_interrupted_first_set_up_is_not_taken_for_one_made_by_hand(made):
    assert made.file_to_sync(RUN_FILE) == RUN_FILE


def test_a_torn_stamp_counts_for_nothing(made):
    made.stamp.write_text('{"requirements.txt": "abc')

    assert made.read_stamp() == {}
    assert not made.is_satisfied(RUN_FILE)


def test_the_pin_of_uv_is_read_with_its_hashes(environment):
    pin = bootstrap._pinned_uv((environment.root / RUN_FILE).read_text())

    assert pin.version == "1.0"
    assert pin.block == "uv==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"


def test_the_projects_own_requirements_pin_uv_with_hashes():
    pin = bootstrap._pinned_uv((CHECKOUT / RUN_FILE).read_text())

    assert "--hash=sha256:" in pin.block
    assert f"\nuv=={pin.version} " in (CHECKOUT / DEV_FILE).read_text()


def test_requirements_without_uv_are_refused():
    with pytest.raises(SetUpFailed, match="does not pin uv"):
        bootstrap._pinned_uv("valkey==2\n")


def test_a_python_without_venv_is_told_what_to_install(environment, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(SetUpFailed, match="apt install python3-venv"):
        bootstrap._make(environment, lambda line: None)


def test_an_interpreter_that_no_longer_runs_is_noticed(made):
    assert bootstrap._works(made.python)

    made.python.unlink()
    made.python.symlink_to("/no/such/python")

    assert not bootstrap._works(made.python)


def test_a_failing_tool_is_quoted(monkeypatch):
    code = "import sys; sys.exit('no such mirror')"

    with pytest.raises(SetUpFailed, match=r"(?s)pip failed \(exit code 1\).*no such mirror"):
        bootstrap._run([sys.executable, "-c", code], "pip failed")
    with pytest.raises(SetUpFailed, match="pip failed"):
        bootstrap._run(["/no/such/pip"], "pip failed")


def test_of_many_commands_one_sets_up_and_the_others_wait(made, monkeypatch):
    synced = []
    monkeypatch.setattr(bootstrap, "_sync", lambda environment, name, tell: synced.append(name))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: bootstrap.set_up(made, RUN_FILE, lambda line: None), range(6)))

    assert synced == [RUN_FILE]
    assert made.is_satisfied(RUN_FILE)


def test_the_switch_leaves_the_environment_as_it_is(monkeypatch):
    monkeypatch.setenv(bootstrap.SWITCH, "1")
    monkeypatch.setattr(Environment, "is_satisfied", lambda self, needed: pytest.fail("It looked."))

    bootstrap.ensure_environment(["manage.py", "up"])


def test_manage_py_needs_nothing_but_the_standard_library_until_its_environment_is_there():
    code = (
        "import sys; sys.path.insert(0, '.'); from orchestrator import bootstrap; "
        "print([name for name in sys.modules if name.split('.')[0] in {'django', 'psycopg', 'rich', 'redis'}])"
    )

    found = subprocess.run([sys.executable, "-S", "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


def test_an_old_python_is_told_which_one_is_needed():
    code = (
        "import runpy, sys; sys.version_info = (3, 10, 4); sys.argv = ['manage.py']; "
        "runpy.run_path('manage.py', run_name='__main__')"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, env=dict(os.environ), check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("BV Orchestrator needs Python 3.11 or newer; this is 3.10.4")
