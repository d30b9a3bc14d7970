"""The single executable, as far as it can be told without making it: how it starts itself, and its template."""

import dataclasses
import sys

import pytest
import yaml
from bv_robot import environments, itself, template
from bv_robot.config import Config

from tests import robots_at_work

TEMPLATE = robots_at_work.SOURCES / "packaging" / "config.template.yaml"


@pytest.fixture
def executable(tmp_path, monkeypatch):
    """What Python says of itself inside an executable."""
    program = tmp_path / "bv-robot"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def test_an_executable_starts_itself_and_is_its_own_supervisor(executable, tmp_path):
    assert itself.command("run") == [str(executable), "run"]
    assert itself.supervisor_command(tmp_path) == [str(executable), "supervise", str(tmp_path)]


def test_elsewhere_the_robots_python_is_started(tmp_path):
    assert itself.command("run") == [sys.executable, "-P", "-m", "bv_robot", "run"]
    assert itself.supervisor_command(tmp_path)[-2:] == ["bv_robot.runner", str(tmp_path)]


def test_what_an_executable_starts_unpacks_itself_anew_for_it_may_live_longer(executable):
    passed = itself.environment({"ORCHESTRATOR_API_KEY": "bvt_secret", "PATH": "/bin"})

    assert passed == {"PATH": "/bin", "PYINSTALLER_RESET_ENVIRONMENT": "1"}


def test_jobs_do_not_get_the_libraries_of_the_executable(executable):
    environ = {"LD_LIBRARY_PATH": "/tmp/_MEI1:/opt/lib", "LD_LIBRARY_PATH_ORIG": "/opt/lib", "LIBPATH": "/tmp/_MEI1"}

    itself.undo_unpacking(environ)

    assert environ == {"LD_LIBRARY_PATH": "/opt/lib"}


def test_uv_is_found_beside_the_executable(executable):
    assert itself.beside("uv") is None

    uv = executable.with_name("uv")
    uv.touch(0o755)

    assert environments.uv_binary() == str(uv)


def test_nothing_beside_a_python_is_taken_for_uv():
    assert itself.beside("python3") is None


def test_the_template_names_every_setting_with_its_help():
    told = template.helps()

    assert list(told) == [field.name for field in dataclasses.fields(Config)]
    assert min(map(len, told.values())) > 10


def test_the_template_filled_with_its_own_values_changes_nothing():
    lines = [line.removeprefix("# ") for line in template.text().splitlines() if line.startswith(tuple(values()))]

    assert yaml.safe_load("\n".join(lines)) == dataclasses.asdict(Config())
    assert yaml.safe_load(template.text()) is None


def values():
    return [f"# {field.name}: " for field in dataclasses.fields(Config)]


def test_the_template_that_lies_in_the_repository_is_the_one_of_today():
    told = "It is made by: bv-robot config --template > robot/packaging/config.template.yaml"
    assert TEMPLATE.read_text() == template.text(), told


def test_config_prints_the_template(home):
    shown = robots_at_work.run_command("config", "--template", "--home", str(home))

    assert shown.stdout == template.text()
    assert not home.exists()
