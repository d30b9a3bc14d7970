"""Runs one management command, with the embedded servers beside it where it needs them."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FrameType

from django.core.exceptions import ImproperlyConfigured

from orchestrator import embedded

SUPERVISED = "BV_SUPERVISED"
ROLES = {"web", "live", "worker", "beat"}
# What needs neither a database nor a broker: it is not worth starting them.
WITHOUT_SERVERS = {
    "up",
    "demo",
    "test",
    "check_all",
    "role",
    "help",
    "check",
    "collectstatic",
    "findstatic",
    "compilemessages",
    "makemessages",
    "diffsettings",
    "spectacular",
    "startapp",
}


def run(argv: Sequence[str], *, without_django: Sequence[str]) -> None:
    """Run the command that ``argv`` names, as ``manage.py`` was called; ends the process where it fails."""
    name = argv[1] if len(argv) > 1 else "help"
    if name in ROLES:
        os.environ.setdefault("BV_ROLE", name)
    try:
        with _servers_for(name, argv):
            _run(name, list(argv), is_plain=name in without_django)
    except (embedded.EmbeddedError, ImproperlyConfigured) as error:
        sys.exit(f"Error: {error}")


def _run(name: str, argv: list[str], *, is_plain: bool) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    if name in ROLES:
        importlib.import_module("orchestrator.settings")  # What is wrong there is said here, before processes start.
    if is_plain:
        command = importlib.import_module(f"orchestrator.management.commands.{name}").Command()
        command.run_from_argv(argv)
        return
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(argv)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None):  # It answers, and refuses something.
            raise
        reason = str(error).strip().splitlines()[0]
        sys.exit(f"Error: The database does not answer: {reason}. Start it, or correct DATABASE_URL.")


def _servers_for(name: str, argv: Sequence[str]) -> AbstractContextManager[None]:
    """Return the embedded servers, for the time of a command that needs them and was given no others."""
    is_question = name.startswith("-") or "--help" in argv or "-h" in argv
    if is_question or name in WITHOUT_SERVERS or os.environ.get(SUPERVISED):
        return nullcontext()
    if embedded.is_given("DATABASE_URL") and embedded.is_given("CELERY_BROKER_URL"):
        return nullcontext()
    from orchestrator.embedded import sharing

    for number in (signal.SIGTERM, signal.SIGHUP):  # Their default ends a process without ending what it started.
        signal.signal(number, _exit)
    return sharing.servers_for_command(embedded.default_data_dir())


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
