"""``manage.py doctor``: a table of what is well and what to do about the rest."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from kombu.exceptions import OperationalError as BrokerError
from rich.console import Console
from rich.table import Table

from apps.console.views.health import missing_migrations
from apps.packages import services as packages
from orchestrator import embedded

OLDEST_DATABASE = 15
MOST_CLOCK_SKEW = 2.0
LEAST_FREE_BYTES = 1024**3
CERTIFICATE_WARNING_DAYS = 21


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``to_do`` is empty where all is well."""

    what: str
    found: str
    to_do: str = ""


class Command(BaseCommand):
    help = "Look at clock, database, broker, ports, storage, certificates and migrations, and say what to do."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        findings = [finding for check in CHECKS for finding in check()]
        table = Table("", "What", "Found", "What to do")
        for finding in findings:
            mark = "[red]✗[/red]" if finding.to_do else "[green]ok[/green]"
            table.add_row(mark, finding.what, finding.found, finding.to_do)
        console = Console()
        with console.capture() as printed:
            console.print(table)
        self.stdout.write(printed.get())
        wrong = sum(bool(finding.to_do) for finding in findings)
        if wrong:
            raise CommandError(f"{wrong} of {len(findings)} need attention.")


def _database() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            before = time.time()
            cursor.execute(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,"
                " current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
                " extract(epoch FROM clock_timestamp())::float, current_setting('synchronous_commit')"
            )
            version, major, role, is_super, now, commit = cursor.fetchone()
    except DatabaseError as error:
        yield Finding("database", str(error).strip().splitlines()[0], "Start PostgreSQL, or correct DATABASE_URL.")
        return
    old = "" if major >= OLDEST_DATABASE else f"Use PostgreSQL {OLDEST_DATABASE} or newer."
    yield Finding("database version", version, old)
    may_too_much = "Use a role that is not superuser: a superuser can switch off what keeps the trail append-only."
    yield Finding("database role", role, may_too_much if is_super else "")
    weak = "" if commit != "off" else "Set synchronous_commit to on: acknowledged results could be lost."
    yield Finding("database commits", f"synchronous_commit {commit}", weak)
    skew = abs(now - (before + time.time()) / 2)
    drift = "" if skew <= MOST_CLOCK_SKEW else "Synchronise the clocks (NTP): tickets and tokens compare times."
    yield Finding("clock against the database", f"{skew:.2f} s apart", drift)


def _migrations() -> Iterator[Finding]:
    try:
        missing = missing_migrations()
    except DatabaseError:
        return
    found = f"{len(missing)} to apply" if missing else "all applied"
    yield Finding("migrations", found, "Run `manage.py migrate`." if missing else "")


def _broker() -> Iterator[Finding]:
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=2)
    except (BrokerError, OSError) as error:
        yield Finding("broker", str(error)[:80], "Start it, or correct CELERY_BROKER_URL. Robots work on without it.")
        return
    yield Finding("broker", "answers")


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


def _ports() -> Iterator[Finding]:
    port = int(os.environ.get("PORT", "8000"))
    for number, role in ((port, "web"), (port + 1, "live")):
        with socket.socket() as probe:
            probe.settimeout(1)
            taken = probe.connect_ex(("127.0.0.1", number)) == 0
        yield Finding(f"port {number} ({role})", "in use: the role runs, or another program" if taken else "free")


def _certificates() -> Iterator[Finding]:
    for name in ("LIVE_URL",):
        address = urllib.parse.urlsplit(getattr(settings, name) or "")
        if address.scheme == "https" and address.hostname:
            yield _certificate(address.hostname, address.port or 443)


def _certificate(host: str, port: int) -> Finding:
    what = f"certificate of {host}"
    try:
        with (
            socket.create_connection((host, port), timeout=5) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as tls,
        ):
            ends = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
    except (OSError, KeyError) as error:
        return Finding(what, str(error), "Renew the certificate, or install the authority that signed it.")
    days = int((ends - datetime.now(UTC).timestamp()) / 86_400)
    return Finding(what, f"{days} days left", "Renew it soon." if days < CERTIFICATE_WARNING_DAYS else "")


def _settings() -> Iterator[Finding]:
    kind = f"embedded, in {embedded.default_data_dir()}" if settings.IS_EMBEDDED else "DATABASE_URL"
    yield Finding("installation", kind)
    no_hosts = "" if settings.ALLOWED_HOSTS else "Set ALLOWED_HOSTS to the names people use."
    yield Finding("allowed hosts", ", ".join(settings.ALLOWED_HOSTS) or "none", no_hosts)
    debug = "Unset DEBUG: it shows internals to everybody." if settings.DEBUG else ""
    yield Finding("debug", "on" if settings.DEBUG else "off", debug)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _settings,
    _database,
    _migrations,
    _broker,
    _storage,
    _ports,
    _certificates,
)
