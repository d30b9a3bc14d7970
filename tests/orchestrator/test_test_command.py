"""How ``manage.py test`` calls pytest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import testing

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def no_browser(monkeypatch, tmp_path):
    monkeypatch.delenv("BV_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.setattr(testing, "BROWSER_PLACES", ())


def test_tests_run_in_parallel_by_default():
    command = testing.pytest_command(["-k", "claim"], with_browser=True)

    assert command[1:4] == ["-m", "pytest", "-n"]
    assert int(command[4]) >= 1
    assert command[5:] == ["-k", "claim"]


@pytest.mark.parametrize("choice", [["-n", "0"], ["-n4"], ["--numprocesses=1"], ["--pdb"], ["-p", "no:xdist"]])
def test_the_persons_own_word_about_processes_counts(choice):
    command = testing.pytest_command(choice, with_browser=True)

    assert command[3:] == choice


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ([], ["-m", "not browser"]),
        (["-x"], ["-x", "-m", "not browser"]),
        (["-m", "faults", "-x"], ["-x", "-m", "(faults) and not browser"]),
        (["-mfaults or slow"], ["-m", "(faults or slow) and not browser"]),
        (["-m=faults"], ["-m", "(faults) and not browser"]),
        (["--maxfail=1"], ["--maxfail=1", "-m", "not browser"]),
    ],
)
def test_without_a_browser_its_tests_are_left_out_of_whatever_was_chosen(asked, given):
    assert testing.without_browser_tests(asked) == given


def test_a_named_browser_is_taken_as_it_is(monkeypatch):
    monkeypatch.setenv("BV_CHROMIUM", "/opt/chromium")

    assert testing.find_browser() == "/opt/chromium"


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome", "chrome"])
def test_a_browser_on_the_path_is_found(no_browser, tmp_path, name):
    (tmp_path / name).touch(mode=0o755)

    assert testing.find_browser() == str(tmp_path / name)


def test_without_any_browser_none_is_found(no_browser):
    assert testing.find_browser() is None


def test_what_is_left_out_is_said_in_one_line_with_what_to_do():
    assert "\n" not in testing.NO_BROWSER
    assert "apt install chromium" in testing.NO_BROWSER


def test_the_command_hands_its_arguments_to_pytest_and_its_code_back(tmp_path):
    (tmp_path / "test_sample.py").write_text(
        "import os, psycopg\n\n\ndef test_database():\n"
        "    with psycopg.connect(os.environ['DATABASE_URL']) as connection:\n"
        "        assert connection.execute('SELECT current_user').fetchone() == ('bv',)\n\n\n"
        "def test_failing():\n    assert False\n"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "CELERY_BROKER_URL"} and not name.startswith("PYTEST")
    }
    options = ["-n", "0", "-q", "-c", os.devnull, f"--rootdir={tmp_path}", "-p", "no:django"]

    done = subprocess.run(
        [sys.executable, "manage.py", "test", str(tmp_path), *options],
        cwd=CHECKOUT,
        env=environment | {"BV_NO_BOOTSTRAP": "1", "BV_CHROMIUM": "/any/browser"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 failed, 1 passed" in done.stdout
    assert done.returncode == 1
