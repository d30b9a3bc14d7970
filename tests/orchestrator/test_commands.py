"""Which management commands get the embedded servers beside them."""

import importlib
import os
import signal
import socket
import subprocess
import sys
from contextlib import nullcontext

import pytest
from django.conf import settings
from django.core.management.base import CommandError

from orchestrator import commands, embedded
from orchestrator.embedded import sharing
from orchestrator.management.commands import worker


@pytest.fixture
def served(monkeypatch):
    """The data directories for which servers were asked, in a process that was given none."""
    asked = []

    def servers_for_command(data_dir):
        asked.append(data_dir)
        return nullcontext()

    for name in ("DATABASE_URL", "CELERY_BROKER_URL", commands.SUPERVISED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(sharing, "servers_for_command", servers_for_command)
    return asked


@pytest.mark.parametrize("name", ["migrate", "shell", "create_admin", "web", "worker"])
def test_a_command_that_works_with_data_gets_servers(served, name):
    commands._servers_for(name, ["manage.py", name])

    assert served == [embedded.default_data_dir()]


@pytest.mark.parametrize(
    "words", [["help"], ["--version"], ["migrate", "--help"], ["spectacular"], ["collectstatic"], ["up"], ["test"]]
)
def test_a_command_that_needs_none_starts_none(served, words):
    commands._servers_for(words[0], ["manage.py", *words])

    assert served == []


def test_servers_that_the_environment_names_are_enough(served, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/bv")
    monkeypatch.setenv("CELERY_BROKER_URL_FILE", "/run/secrets/broker")

    commands._servers_for("migrate", ["manage.py", "migrate"])

    assert served == []


def test_a_role_under_a_supervisor_starts_nothing_of_its_own(served, monkeypatch):
    monkeypatch.setenv(commands.SUPERVISED, "1")

    commands._servers_for("web", ["manage.py", "web"])

    assert served == []


@pytest.mark.parametrize(
    "words",
    [
        "up --port 65535", "up --port 0", "up --port x", "up --robots -1", "up --robots 1e3", "demo --port 65535",
        "doctor --port 70000", "web --port 65536", "web --workers 0", "web --threads 0", "live --port -1",
        "live --workers 0", "worker --threads 0",
    ],
)  # fmt: skip
def test_a_number_that_makes_no_sense_is_refused_before_anything_starts(words):
    name, *arguments = words.split()
    command = importlib.import_module(f"orchestrator.management.commands.{name}").Command()
    parser = command.create_parser("manage.py", name)

    with pytest.raises(CommandError, match=f"argument {arguments[0]}: .* is not a number from "):
        parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("named", "answer"),
    [
        ("sweeps,sweep", "'sweep' is no queue; there are sweeps, triggers, "),
        ("Sweeps", "'Sweeps' is no queue; there are sweeps, triggers, "),
        (" , ", "no queue is named; there are sweeps, triggers, "),
    ],
)
def test_a_queue_that_is_not_known_is_refused_with_those_there_are(named, answer):
    parser = worker.Command().create_parser("manage.py", "worker")

    with pytest.raises(CommandError, match=f"argument --queues: {answer}"):
        parser.parse_args(["--queues", named])


def test_a_worker_is_for_all_queues_unless_some_are_named():
    parser = worker.Command().create_parser("manage.py", "worker")

    assert parser.parse_args([]).queues == settings.QUEUES
    assert parser.parse_args(["--queues", "triggers, sweeps,triggers"]).queues == ("triggers", "sweeps")


@pytest.mark.parametrize("words", [["migrate"], ["create_tenant", "Back Office"]])
def test_a_database_that_does_not_answer_is_said_in_one_line(words):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"postgresql://bv:word@127.0.0.1:{nobody.getsockname()[1]}/bv"
        given = {"DATABASE_URL": address, "CELERY_BROKER_URL": "redis://nowhere.example", "BV_NO_BOOTSTRAP": "1"}

        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=embedded.CHECKOUT, env=os.environ | given, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("Error: The database does not answer: connection failed: ")
    assert done.stderr.endswith(" Start it, or correct DATABASE_URL.\n")
    assert done.stderr.count("\n") == 1
    assert "word" not in done.stderr
