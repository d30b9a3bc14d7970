"""``manage.py doctor``: what is well, and what to do about the rest."""

from __future__ import annotations

import base64
import io
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from orchestrator.management.commands import doctor
from tests.roles import free_port_with_next

pytestmark = pytest.mark.django_db

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def broker():
    """A broker inside this process; call it with an address to use another."""

    def use(address):
        current_app.conf.broker_write_url = current_app.conf.broker_url = address

    before = current_app.conf.broker_url
    use("memory://")
    yield use
    use(before)


@pytest.fixture(autouse=True)
def commits(db):
    """A database that keeps what it confirmed, which the one for tests does not."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO on")


@pytest.fixture(autouse=True)
def packages_folder(settings, tmp_path):
    """An empty store of packages."""
    folder = tmp_path / "packages"
    settings.STORAGES = settings.STORAGES | {
        "packages": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": folder}}
    }
    return folder


@pytest.fixture
def port():
    """A port that is free together with the next one."""
    return free_port_with_next()


def well(port):
    """Return the table of a doctor who found nothing wrong."""
    out = io.StringIO()
    try:
        call_command("doctor", "--port", str(port), stdout=out)
    except CommandError:
        pytest.fail(out.getvalue())
    return out.getvalue()


def wrong(port):
    """Return the lines of what the doctor found wrong, and the summary."""
    out = io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("doctor", "--port", str(port), stdout=out)
    return [line for line in out.getvalue().splitlines() if "✗" in line], str(refused.value)


@contextmanager
def answering(port, body):
    """A small web server that gives the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_where_all_is_well_there_is_nothing_to_do(port):
    table = well(port)

    assert "✗" not in table
    assert "all applied" in table
    assert "testserver" in table
    assert f"port {port} (web)" in table
    assert f"port {port + 1} (live)" in table


def test_a_broker_that_is_away_is_said_with_what_to_do(port, broker):
    broker("redis://127.0.0.1:1/0")

    (line,), summary = wrong(port)

    assert "Connection refused" in line
    assert "Start it, or correct CELERY_BROKER_URL." in line
    assert summary == "1 of 14 need attention."


def test_queues_are_shown_with_what_waits_in_them(port):
    assert "queue triggers" in well(port)


def test_a_queue_that_nobody_works_for_is_said_with_what_to_do(port, monkeypatch):
    monkeypatch.setattr(doctor, "MOST_WAITING", -1)

    lines, _ = wrong(port)

    assert len(lines) == len(settings.QUEUES)
    assert "manage.py worker --queues sweeps" in lines[0]


def test_a_broker_of_an_unknown_kind_is_said(port, broker):
    broker("pigeon://loft")

    (line,), _ = wrong(port)

    assert "No such transport: pigeon" in line


def test_a_missing_migration_is_said_by_name(port):
    MigrationRecorder(connection).record_unapplied("requests", "0001_initial")

    (line,), _ = wrong(port)

    assert "1 to apply: requests.0001_initial" in line
    assert "Run `manage.py migrate`." in line


def test_a_store_that_cannot_be_written_is_said(port, packages_folder):
    packages_folder.parent.mkdir(exist_ok=True)
    packages_folder.write_text("in the way")

    (line,), _ = wrong(port)

    assert "package storage" in line
    assert "set FILES_DIR" in line


def test_the_doctor_leaves_nothing_in_the_store(port, packages_folder):
    well(port)

    assert list(packages_folder.iterdir()) == []


def test_settings_that_are_no_good_outside_are_said(port, settings):
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True

    lines, _ = wrong(port)

    assert "Set ALLOWED_HOSTS" in lines[0]
    assert "Unset DEBUG" in lines[1]


def test_a_role_that_runs_is_recognised_by_its_answer(port):
    with answering(port, b'{"status": "ok"}'):
        table = well(port)

    assert "web answers" in table


def test_another_program_on_the_port_is_said(port):
    with answering(port + 1, b"hello"):
        (line,), _ = wrong(port)

    assert f"port {port + 1} (live)" in line
    assert "taken by another program" in line


def test_a_program_on_the_port_that_says_nothing_is_another_one(port):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", port))
        silent.listen()
        (line,), _ = wrong(port)

    assert "taken by another program" in line


def test_an_address_that_does_not_answer_has_no_certificate_to_look_at(port, settings):
    settings.LIVE_URL = f"https://127.0.0.1:{port}/live"

    (line,), _ = wrong(port)

    assert "certificate of 127.0.0.1" in line
    assert "Start what answers there" in line


def test_an_address_without_a_certificate_is_said(port, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["http://plain.example", "https://*.example", f"https://127.0.0.1:{port}"]

    with answering(port, b'{"status": "ok"}'):
        (line,), _ = wrong(port)

    assert "certificate of 127.0.0.1" in line
    assert "Renew the certificate" in line


def test_a_database_that_does_not_answer_is_said_and_all_else_is_looked_at():
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
    facts = {
        "DATABASE_URL": "postgresql://bv@127.0.0.1:1/bv",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": os.urandom(30).hex(),
        "MASTER_KEYS": f"test:{base64.b64encode(os.urandom(32)).decode()}",
        "ALLOWED_HOSTS": "bv.example",
        "BV_NO_BOOTSTRAP": "1",
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=CHECKOUT,
        env=inherited | facts,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "connection refused" in done.stdout.lower()
    assert "Start PostgreSQL, or correct DATABASE_URL." in done.stdout
    assert "Start it, or correct CELERY_BROKER_URL." in done.stdout
    assert "package storage" in done.stdout
    assert "Traceback" not in done.stderr
    assert "need attention." in done.stderr


GOOD = {"version": "18.4", "major": 18, "role": "bv", "is_superuser": False, "now": 1_000.0, "commits": "on"}


@pytest.mark.parametrize(
    ("facts", "to_do"),
    [
        ({"version": "14.9", "major": 14}, "Use PostgreSQL 15 or newer."),
        ({"role": "postgres", "is_superuser": True}, "Use a role that is not superuser"),
        ({"commits": "off"}, "Set synchronous_commit to on"),
        ({"now": 1_003.0}, "Synchronise the clocks (NTP)"),
        ({"now": 997.0}, "Synchronise the clocks (NTP)"),
    ],
)
def test_a_server_that_is_not_good_enough_is_said(facts, to_do):
    findings = doctor.judge_server(doctor.Server(**GOOD | facts), our_clock=1_000.0)

    (found,) = [finding.to_do for finding in findings if finding.to_do]
    assert found.startswith(to_do)


def test_a_good_server_is_well():
    findings = list(doctor.judge_server(doctor.Server(**GOOD), our_clock=1_000.5))

    assert [finding.to_do for finding in findings] == ["", "", "", ""]
