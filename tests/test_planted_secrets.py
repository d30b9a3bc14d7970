"""Cases H4 and H5: secrets are planted wherever there is a place for one, used as they are meant to be, and looked for.

The places to look are taken from the database, the admin and the routes themselves, so that new ones are looked at too.
"""

from __future__ import annotations

import base64
import io
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from celery import current_app
from django.conf import settings
from django.contrib import admin
from django.core import mail
from django.db import connection
from django.test import Client

from apps.accounts import services as accounts
from apps.jobs.rules.reports import End
from apps.robots import services as robots
from tests import api, make
from tests.admin.rows import KINDS
from tests.admin.visitors import Visitor, list_of, page_of, text_of
from tests.api_routes import routes
from tests.e2e.hands import ByHand
from tests.make import SYSTEM
from tests.runner.test_job_tokens import Speaker, started

pytestmark = pytest.mark.django_db

#: Columns in which what was planted may lie, and why.
KNOWN_PLACES = {
    ("django_session", "session_key", "session"): "sessions are found by it; it is worth nothing once they have ended",
}
#: Kinds of columns that can hold a text, or one in disguise.
_HOLDING_TEXT = "('text', 'character varying', 'character', 'json', 'jsonb', 'bytea', 'ARRAY', 'USER-DEFINED')"


@dataclass
class Planted:
    """Every secret by its name, who uses them, and the log that must not have them."""

    folder: Any
    secrets: dict[str, str] = field(default_factory=dict)

    def plant(self, name: str, text: str = "") -> str:
        self.secrets[name] = text or f"planted-{name}-{secrets.token_hex(12)}"
        return self.secrets[name]

    def found_in(self, text: str) -> list[str]:
        """The names of the secrets that a text holds, as they are or in a form that is easily read back."""
        return sorted(name for name, secret in self.secrets.items() if any(form in text for form in forms_of(secret)))


def forms_of(secret: str) -> set[str]:
    data = secret.encode()
    # What base64 makes of a text depends on where in a triple of bytes it begins; its edges on what stands around it.
    encoded = {base64.b64encode(bytes(shift) + data).decode()[shift and 4 : -4] for shift in range(3)}
    return {secret, quote(secret, safe=""), data.hex(), *encoded}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that this process writes into its log, as it writes it."""
    written = io.StringIO()
    forms = (one.formatter for one in logging.getLogger().handlers)
    handler = logging.StreamHandler(written)
    handler.setFormatter(next(form for form in forms if isinstance(form, structlog.stdlib.ProcessorFormatter)))
    loggers = [logging.getLogger(name) for name in ("", "django.request")]
    for logger in loggers:
        logger.addHandler(handler)
    yield written
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture
def planted() -> Planted:
    """Secrets of every kind, planted through the doors that take or make them."""
    here = Planted(make.folder())
    caller = api.root()
    headers = {"X-Folder-ID": str(here.folder.pk)}
    fields = {"name": "the secret", "type": "secret", "secrets": {"value": here.plant("asset")}}
    login = {"name": "the login", "kind": "password", "value": {"username": "ada"}}
    answers = [
        caller.post("assets", fields, **headers),
        caller.post("credentials", login | {"secrets": {"password": here.plant("credential")}}, **headers),
        caller.call("PUT", "settings/email", {"smtp_username": "bv", "smtp_password": here.plant("smtp-password")}),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 200], [answer.content for answer in answers]
    accounts.create_user("eve", actor=SYSTEM, password=here.plant("password"))
    tenant = here.folder.tenant
    here.plant("api-key", make.api_key(make.user(superuser=True), tenant))
    machine, key = robots.create_machine(tenant, actor=SYSTEM, name="the machine")
    here.plant("machine-key", key)
    here.plant("enrolment-key", make.enrolment_key_with_text(tenant)[1])
    here.plant("robot-token", robots.rotate_token(make.robot(machine), actor=SYSTEM))
    here.plant("secret-key", settings.SECRET_KEY)
    here.plant("pepper", settings.TOKEN_PEPPER)
    here.plant("master-key", settings.MASTER_KEYS[0].partition(":")[2])
    return here


def use(here: Planted) -> None:
    """Let a job be given the secrets, and write credentials where they do not belong; let programs and robots call."""
    tenant = here.folder.tenant
    make.job(make.process(here.folder))
    robot = ByHand(make.machine(tenant))
    robot.execution = make.claimed(robot.session)
    job = started(robot.execution)
    here.plant("job-token", job.client.defaults["HTTP_X_ROBOT_TOKEN"])
    given = [
        job.post("/api/runtime/secrets/resolve", {"name": name}).json()["value"]
        for name in ("the secret", "the login.password")
    ]
    assert given == [here.secrets["asset"], here.secrets["credential"]]
    told = " ".join(here.secrets[name] for name in ("api-key", "machine-key", "robot-token", "job-token"))
    robot.write(("ERROR", f"it called with {told}"))
    robot.end(End.FAILED, error={"type": "ValueError", "message": "no"}, exit_code=1)
    program = Client(headers={"X-Api-Key": here.secrets["api-key"]})
    assert program.get("/api/v1/jobs").status_code == 200
    wrong = {"name": "x", "type": "nothing", "secrets": {"value": here.secrets["asset"]}}
    refused = program.post("/api/v1/assets", wrong, "application/json", headers={"X-Folder-ID": str(here.folder.pk)})
    assert refused.status_code == 400
    assert here.found_in(refused.content.decode()) == []
    assert Speaker(here.secrets["machine-key"]).get("/api/v1/runner/packages").status_code == 401


# Places to look


def columns() -> Iterator[tuple[str, str, str]]:
    """Every column of every table of ours that can hold a text: table, column, and what its values are as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
            " JOIN information_schema.tables t USING (table_schema, table_name)"
            f" WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type IN {_HOLDING_TEXT}"
        )
        for table, column, kind in cursor.fetchall():
            yield table, column, f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'


def rows_with_text() -> dict[tuple[str, str], str]:
    """What stands in each column that is not empty."""
    found = {}
    with connection.cursor() as cursor:
        for table, column, as_text in columns():
            cursor.execute(f'SELECT string_agg({as_text}, chr(10)) FROM "{table}"')
            found[table, column] = cursor.fetchone()[0] or ""
    return found


def pages(visitor: Visitor) -> Iterator[tuple[str, str]]:
    """The list of each kind of row in the admin, and the page of its newest row."""
    for model in admin.site._registry:
        row = model._default_manager.order_by("pk").last()
        for path in [list_of(model), *([page_of(row)] if row is not None else [])]:
            yield path, text_of(visitor.get(path))
    for path in ("/admin/", "/admin/settings/", "/admin/search/?s=the"):
        yield path, text_of(visitor.get(path))


def lists(caller: api.Caller) -> Iterator[tuple[str, str]]:
    """What each list of the API answers."""
    for route in routes():
        if route.method == "GET" and "<" not in route.path:
            yield route.path, caller.get(route.path).whole.decode()


def messages_of_the_broker() -> Iterator[tuple[str, str]]:
    """What the broker keeps, key by key."""
    readers: dict[bytes, Callable[[Any, bytes], Any]] = {
        b"string": lambda store, key: store.get(key),
        b"list": lambda store, key: store.lrange(key, 0, -1),
        b"hash": lambda store, key: store.hgetall(key),
        b"set": lambda store, key: store.smembers(key),
        b"zset": lambda store, key: store.zrange(key, 0, -1),
    }
    with current_app.connection_for_write() as broker:
        store = broker.default_channel.client
        for key in store.scan_iter():
            yield str(key), str(key) + str(readers[store.type(key)](store, key))


def found(here: Planted, places: Any) -> dict[Any, list[str]]:
    return {place: names for place, text in places if (names := here.found_in(text))}


def test_h4_h5_a_planted_secret_is_found_nowhere_but_where_it_is_used(log, planted):
    visitor = Visitor(make.user(superuser=True))
    planted.plant("session", visitor.client.session.session_key)
    use(planted)

    in_tables = rows_with_text()
    kept = {
        (*place, name) for place, names in found(planted, in_tables.items()).items() for name in names
    } - KNOWN_PLACES.keys()

    assert kept == set()
    assert found(planted, pages(visitor)) == {}
    assert found(planted, lists(api.root())) == {}
    assert planted.found_in(text_of(visitor.get("/metrics"))) == []
    assert found(planted, messages_of_the_broker()) == {}
    assert planted.found_in("".join(str(message.message()) for message in mail.outbox)) == []
    logged = log.getvalue()
    assert planted.found_in(logged) == []
    # The search finds what is there: a name in the tables, a route in the log, the masked token in the job's log.
    assert "the secret" in in_tables["assets_asset", "name"]
    assert "runtime/secrets/resolve" in logged
    assert "bvj_*****" in "".join(text for (table, _), text in in_tables.items() if table.startswith("jobs_logchunk"))
    assert KINDS.keys() == admin.site._registry.keys()


@pytest.mark.parametrize("form", [str, quote, lambda text: text.encode().hex(), lambda text: _in_base64(text)])
@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_the_search_knows_a_secret_in_disguise(form, before):
    here = Planted(None)
    secret = here.plant("x")

    assert here.found_in(f"…{form(before + secret + 'tail')}…") == ["x"]


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
