"""``manage.py doctor``: a table of what is well and what to do about the rest."""

from __future__ import annotations

import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connection
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from apps.console.views import broker
from apps.console.views.health import missing_migrations
from apps.encryption import services as encryption
from apps.packages import services as packages
from orchestrator import embedded
from orchestrator.management.commands import _arguments

OLDEST_DATABASE = 15
MOST_CLOCK_SKEW = 2.0
#: Ticks that nobody takes pile up; a worker that comes goes through old ones at once.
MOST_WAITING = 100
LEAST_FREE_BYTES = 1024**3
CERTIFICATE_WARNING_DAYS = 21
#: Columns of the table where there is no terminal that says how many there are.
PRINTED_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``to_do`` is empty where all is well."""

    what: str
    found: str
    to_do: str = ""


class Command(BaseCommand):
    help = "Look at clock, database, broker, ports, storage, certificates and migrations, and say what to do."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=_arguments.port_with_next, default=8000, help="of web; live takes the next (default: 8000)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings = [finding for check in CHECKS for finding in check()]
        findings += [_port(options["port"], "web", "/health/live"), _port(options["port"] + 1, "live", "/health")]
        self.stdout.write(_as_table(findings))
        wrong = sum(bool(finding.to_do) for finding in findings)
        if wrong:
            raise CommandError(f"{wrong} of {len(findings)} need attention.")


def _as_table(findings: list[Finding]) -> str:
    table = Table("", "What", "Found", "What to do")
    for finding in findings:
        mark = "[red]✗[/red]" if finding.to_do else "[green]ok[/green]"
        table.add_row(mark, finding.what, escape(finding.found), escape(finding.to_do))
    console = Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    with console.capture() as printed:
        console.print(table)
    return printed.get()


def _settings() -> Iterator[Finding]:
    kind = f"embedded, in {settings.DATA_DIR}" if settings.IS_EMBEDDED else "DATABASE_URL"
    yield Finding("installation", kind)
    no_hosts = "" if settings.ALLOWED_HOSTS else "Set ALLOWED_HOSTS to the names people use."
    yield Finding("allowed hosts", ", ".join(settings.ALLOWED_HOSTS) or "none", no_hosts)
    debug = "Unset DEBUG: it shows internals to everybody." if settings.DEBUG else ""
    yield Finding("debug", "on" if settings.DEBUG else "off", debug)


@dataclass(frozen=True, slots=True)
class Server:
    """What the database server says of itself; ``now`` is its clock, in seconds."""

    version: str
    major: int
    role: str
    is_superuser: bool
    now: float
    commits: str


def _database() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            before = time.time()
            cursor.execute(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,"
                " current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
                " extract(epoch FROM clock_timestamp())::float, current_setting('synchronous_commit')"
            )
            server = Server(*cursor.fetchone())
            ours = (before + time.time()) / 2
    except (DatabaseError, InterfaceError) as error:
        yield Finding("database", _first_line(error), "Start PostgreSQL, or correct DATABASE_URL.")
        return
    yield from judge_server(server, our_clock=ours)


def judge_server(server: Server, *, our_clock: float) -> Iterator[Finding]:
    """Say what is well with the database server, and what to do about the rest."""
    old = "" if server.major >= OLDEST_DATABASE else f"Use PostgreSQL {OLDEST_DATABASE} or newer."
    yield Finding("database version", server.version, old)
    may_too_much = "Use a role that is not superuser: a superuser can switch off what keeps the trail append-only."
    yield Finding("database role", server.role, may_too_much if server.is_superuser else "")
    weak = "" if server.commits != "off" else "Set synchronous_commit to on: acknowledged results could be lost."
    yield Finding("database commits", f"synchronous_commit {server.commits}", weak)
    skew = abs(server.now - our_clock)
    drift = "" if skew <= MOST_CLOCK_SKEW else "Synchronise the clocks (NTP): tickets and tokens compare times."
    yield Finding("clock against the database", f"{skew:.2f} s apart", drift)


def _migrations() -> Iterator[Finding]:
    try:
        missing = missing_migrations()
    except (DatabaseError, InterfaceError):
        return
    found = f"{len(missing)} to apply: {', '.join(missing[:3])}" if missing else "all applied"
    yield Finding("migrations", found, "Run `manage.py migrate`." if missing else "")


def _keys() -> Iterator[Finding]:
    try:
        flaws = list(encryption.flaws_of_keys())
    except ValueError as error:
        yield Finding("keys of secrets", f"MASTER_KEYS: {error}", "Correct MASTER_KEYS: name:key, the key in base64.")
        return
    except (DatabaseError, InterfaceError):
        return
    to_do = "Give MASTER_KEYS every key that is still in use; see docs/operating.md." if flaws else ""
    yield Finding("keys of secrets", str(flaws[0]) if flaws else "all data keys open", to_do)


def _broker() -> Iterator[Finding]:
    try:
        waiting = broker.waiting_tasks()
    except broker.AWAY as error:
        to_do = "Start it, or correct CELERY_BROKER_URL. Robots work on without it."
        yield Finding("broker", _first_line(error)[:80], to_do)
        return
    is_ours = not embedded.is_given("CELERY_BROKER_URL")
    yield Finding("broker", "answers; our own, for this machine alone" if is_ours else "answers")
    for queue, count in waiting.items():
        to_do = f"Start a worker for it (manage.py worker --queues {queue})." if count > MOST_WAITING else ""
        yield Finding(f"queue {queue}", f"{count} waiting", to_do)


def _storage() -> Iterator[Finding]:
    storage = packages.storage()
    try:
        name = storage.save("doctor.probe", ContentFile(b"probe"))
        storage.delete(name)
    except OSError as error:
        yield Finding("package storage", str(error), "Make the folder writable for this user, or set FILES_DIR.")
        return
    yield Finding("package storage", "writable")
    place = next(folder for folder in (settings.MEDIA_ROOT, *settings.MEDIA_ROOT.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    low = "" if free >= LEAST_FREE_BYTES else "Free some space: uploads and logs stop when the disk is full."
    yield Finding("disk", f"{free / 1024**3:.1f} GiB free", low)


def _static_files() -> Iterator[Finding]:
    if settings.STATIC_ROOT is None:
        return
    is_collected = (settings.STATIC_ROOT / "staticfiles.json").exists()
    to_do = "" if is_collected else "Run `manage.py collectstatic`: until then no page of the admin works."
    yield Finding("static files", str(settings.STATIC_ROOT), to_do)


def _port(number: int, role: str, health: str) -> Finding:
    what = f"port {number} ({role})"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{number}{health}", timeout=3) as answer:
            is_ours = b'"status"' in answer.read(1000)
    except urllib.error.HTTPError:
        is_ours = False
    except OSError as error:
        is_free = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
        return Finding(what, "free") if is_free else _taken(what)
    return Finding(what, f"{role} answers") if is_ours else _taken(what)


def _taken(what: str) -> Finding:
    return Finding(what, "taken by another program", "Stop that program, or choose another port with --port.")


def _certificates() -> Iterator[Finding]:
    for address in sorted(
        {urllib.parse.urlsplit(url) for url in (settings.LIVE_URL or "", *settings.CSRF_TRUSTED_ORIGINS)}
    ):
        if address.scheme == "https" and address.hostname and not address.hostname.startswith("*"):
            yield _certificate(address.hostname, address.port or 443)


def _certificate(host: str, port: int) -> Finding:
    what = f"certificate of {host}"
    try:
        with (
            socket.create_connection((host, port), timeout=5) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as tls,
        ):
            ends = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
    except (ssl.SSLError, KeyError) as error:
        return Finding(what, _first_line(error), "Renew the certificate, or install the authority that signed it.")
    except OSError as error:
        return Finding(what, _first_line(error), "Start what answers there, or correct the address in the settings.")
    days = int((ends - datetime.now(UTC).timestamp()) / 86_400)
    return Finding(what, f"{days} days left", "Renew it soon." if days < CERTIFICATE_WARNING_DAYS else "")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _settings,
    _database,
    _migrations,
    _keys,
    _broker,
    _storage,
    _static_files,
    _certificates,
)
