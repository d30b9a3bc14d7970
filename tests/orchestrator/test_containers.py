"""What containers run, and the files that describe them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator import containers
from tests.roles import CHECKOUT, free_port

DOCKER = CHECKOUT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "APP_ROLE" in service.get("environment", {})}
EXAMPLE = (DOCKER / ".env.example").read_text()
#: What the image of the orchestrator sets itself.
BUILT_IN = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def run_role(*arguments, **environment):
    """Run ``manage.py role`` with nothing in its environment but what is given."""
    return subprocess.run(
        [sys.executable, "manage.py", "role", *arguments],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], "BV_NO_BOOTSTRAP": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def sources():
    return "\n".join(path.read_text() for path in (CHECKOUT / "orchestrator").rglob("*.py"))


def images():
    files = [DOCKER / "Dockerfile", DOCKER / "Dockerfile.robot"]
    built = [line.split()[1] for file in files for line in file.read_text().splitlines() if line.startswith("FROM ")]
    return [*built, *(service["image"] for service in SERVICES.values() if "build" not in service)]


@pytest.mark.parametrize("role", containers.COMMANDS)
def test_a_container_runs_the_role_it_is_given(role):
    told = run_role("--print", APP_ROLE=role)

    assert told.stdout.startswith(f"manage.py {role} ")


@pytest.mark.parametrize(
    ("environment", "answer"), [({}, "APP_ROLE is not set."), ({"APP_ROLE": "webb"}, "APP_ROLE is 'webb'.")]
)
def test_a_container_without_a_role_says_which_there_are(environment, answer):
    told = run_role(**environment)

    assert told.returncode == 1
    assert f"{answer} Set it to one of web, live, worker, beat, migrate." in told.stderr


def test_the_command_takes_the_place_of_the_process():
    told = run_role(APP_ROLE="migrate", DATABASE_URL="mysql://db/bv", CELERY_BROKER_URL="memory://", SECRET_KEY="k" * 9)

    assert told.returncode == 1
    assert "SECRET_KEY is too short" in told.stderr


def test_a_role_that_answers_nobody_is_not_well(monkeypatch):
    monkeypatch.setattr(containers, "WEB_PORT", free_port())

    assert not containers.is_well("web")


@pytest.mark.parametrize("role", ["worker", "beat"])
def test_a_background_role_is_well_once_it_works(role, monkeypatch, tmp_path):
    monkeypatch.setattr(containers, "READY_FILE", tmp_path / "ready")
    assert not containers.is_well(role)

    (tmp_path / "ready").touch()

    assert containers.is_well(role)


@pytest.mark.parametrize(
    ("hosts", "name"),
    [("bv.example,other.example", "bv.example"), (".bv.example", "bv.example"), ("*", "localhost"), ("", "localhost")],
)
def test_a_check_calls_the_server_by_a_name_it_listens_to(monkeypatch, hosts, name):
    monkeypatch.setenv("ALLOWED_HOSTS", hosts)

    assert containers._host() == name


def test_every_role_has_its_service():
    assert {name: service["environment"]["APP_ROLE"] for name, service in OURS.items()} == {
        role: role for role in containers.COMMANDS
    }


@pytest.mark.parametrize("image", images())
def test_an_image_is_pinned_to_one_release(image):
    assert re.fullmatch(r"[a-z/]+:\d+(\.\d+)+(-[a-z]+)*(@sha256:[0-9a-f]{64})?", image)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_of_a_service_is_a_setting(name):
    known = sources()

    assert [name for name in SERVICES[name]["environment"] if f'"{name}"' not in known] == []


def test_every_variable_of_the_image_is_a_setting():
    known, text = sources(), (DOCKER / "Dockerfile").read_text().rpartition("FROM ")[2]
    named = set(re.findall(r"^(?:ENV|   ) ([A-Z_]+)=", text, re.MULTILINE)) - BUILT_IN

    assert {"STATIC_ROOT", "BV_DATA_DIR"} <= named
    assert [name for name in named if f'"{name}"' not in known] == []


def test_no_secret_has_a_default_and_none_is_written_down():
    text = (DOCKER / "compose.yaml").read_text()
    passwords = {"DATABASE_PASSWORD", "POSTGRES_PASSWORD", "VALKEY_PASSWORD"}
    secrets = {"SECRET_KEY", "TOKEN_PEPPER", "MASTER_KEYS", "DOMAIN"} | passwords

    assert set(re.findall(r"\$\{(\w+):\?", text)) == secrets
    assert secrets <= set(re.findall(r"^(\w+)=$", EXAMPLE, re.MULTILINE))


def test_every_variable_that_may_be_given_is_in_the_example():
    given = set(re.findall(r"(?<!\$)\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))

    assert given - set(re.findall(r"^#?(\w+)=", EXAMPLE, re.MULTILINE)) == {"LOG_LEVEL"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_may_do_little_and_writes_only_where_it_is_told(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert "privileged" not in service


def test_only_the_proxy_is_reached_from_outside():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]


def test_what_robots_run_reaches_neither_database_nor_broker():
    assert SERVICES["robot"]["networks"] == ["robots"]
    assert [name for name, service in SERVICES.items() if "robots" in service["networks"]] == ["proxy", "robot"]


@pytest.mark.parametrize("name", ["web", "live", "worker", "beat"])
def test_a_role_starts_once_the_database_is_as_it_needs_it(name):
    assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.robot"])
def test_an_image_runs_as_nobody_of_importance_and_copies_what_there_is(name):
    text = (DOCKER / name).read_text()
    last = text.rpartition("FROM ")[2]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)

    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", last, re.MULTILINE)
    assert [path for line in copied for path in line.split() if not (CHECKOUT / path).exists()] == []


def test_what_is_left_out_of_the_image_is_in_the_lock():
    left_out = (DOCKER / "not-in-the-image.txt").read_text().splitlines()[1:]
    locked = (CHECKOUT / "requirements.txt").read_text()

    assert [name for name in left_out if not re.search(rf"^{name}==", locked, re.MULTILINE)] == []


def test_the_robots_image_has_what_the_robot_needs():
    wanted = set(re.findall(r'^    "([\w-]+)', (CHECKOUT / "robot/pyproject.toml").read_text(), re.MULTILINE))
    locked = (DOCKER / "robot-requirements.txt").read_text().lower()

    assert {"httpx", "uv"} <= wanted
    assert [name for name in wanted if not re.search(rf"^{name.lower()}==\S+ \\$", locked, re.MULTILINE)] == []


def test_nothing_is_sent_to_a_build_unless_it_is_named():
    lines = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]

    assert lines[0] == "*"
    assert [line for line in lines if line.startswith("!") and not Path(CHECKOUT / line[1:]).exists()] == []
