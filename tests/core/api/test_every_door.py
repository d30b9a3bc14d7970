"""What no program should send, sent to every address of the product, those of existing clients included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import pytest
from django.test import Client

from apps.robots import services as robots
from tests import api, make
from tests.api_routes import World, headers, plain_paths, routes

pytestmark = pytest.mark.django_db

#: Where the same views answer: each kind of input is tried at all doors below one of these.
ROOTS = ("/api/v1/", "/api/", "/acme/orchestrator_/", "/some/acme/orchestrator_/")
JSON = "application/json"
#: Pieces of logs and files are bytes, and are asked first where they belong.
LOG, FILE = "runner/leases/<str:lease>/log", "runner/leases/<str:lease>/artefacts"
#: What comes here is a file, whatever is in it.
ANY_FILE = re.compile(r".*/files/<(str:name|path:path)>")
BODIES = {
    "NUL": rb'{"name": "a\u0000b"}',
    "NUL in a key": rb'{"na\u0000me": "a"}',
    "lone surrogate": rb'{"name": "\ud800"}',
    "33 levels": b'{"name": ' + b"[" * 33 + b"]" * 33 + b"}",
    "a hundred thousand levels": b"[" * 100_000,
    "duplicate key": b'{"name": "a", "name": "b"}',
    "NaN": b'{"name": NaN}',
    "infinity": b'{"name": 1e999}',
    "huge integer": b'{"name": ' + b"9" * 5000 + b"}",
    "not UTF-8": b'{"name": "\xff"}',
    "cut off": b'{"name": "a',
    "a list": b"[1]",
}
KINDS = ("text/plain", "application/x-www-form-urlencoded", "application/xml", "")
QUERIES = {"NUL": "name=%00", "not UTF-8": "name=%ff", "surrogate": "name=%ed%a0%80", "NUL in a name": "na%00me=1"}


def at_some_root(inputs: Iterable[Any]) -> list[tuple[Any, str]]:
    """Each input with the root below which it is tried."""
    return list(zip(inputs, cycle(ROOTS), strict=False))


@dataclass(frozen=True)
class Door:
    """One method of one address, and who calls it there."""

    method: str
    path: str
    address: str
    client: Client

    def answer(self, *, root: str, body: bytes = b"", kind: str = JSON, **request: Any) -> Any:
        return self.client.generic(self.method, root + self.address, body, kind, **request)


@pytest.fixture
def doors():
    """Every door there is, with callers who may do everything, onto rows that are there."""
    return list(_doors(World()))


def _doors(world: World) -> Iterator[Door]:
    person = api.root().client
    person.defaults |= {"HTTP_X_TENANT": headers(world.tenant)["X-Tenant"]}
    # Where existing clients call these, they sign in by a key.
    key = make.api_key(make.user(superuser=True), world.tenant)
    program = Client(headers={"X-Api-Key": key, "X-Tenant": world.tenant.slug})
    for one in routes():
        caller = program if one.path.startswith(("queues", "queue-items")) else person
        yield Door(one.method, one.path, one.address(world.rows), caller)
    token = robots.rotate_token(world.execution.robot, actor=make.SYSTEM)
    robot = Client(headers={"X-Robot-Token": token})
    parts = {
        "<str:lease>": world.execution.lease_id,
        "<str:handle>": world.execution.lease_id,
        "<str:execution_id>": world.execution.pk,
        "<str:version>": world.version.pk,
        "<str:child>": world.child.pk,
        "<str:queue>": world.queue.pk,
        "<str:store>": world.store.pk,
        "<str:name>": "main",
        "<path:path>": "main/1.csv",
    }
    of_job = Client(headers={"X-Robot-Token": world.job_token})
    for path in sorted(plain_paths()):
        address = path.replace("item-leases/<str:lease>", f"item-leases/{world.own_lease.lease_id}")
        for name, value in parts.items():
            address = address.replace(name, str(value))
        caller = of_job if path.startswith("runtime/") else robot
        for method in caller.generic("TRACE", ROOTS[0] + address).headers["Allow"].split(", "):
            yield Door(method, path, address, caller)


def taking_bodies(doors: list[Door]) -> list[Door]:
    wanted = [door for door in doors if door.method in ("POST", "PATCH", "PUT")]
    return [door for door in wanted if not ANY_FILE.fullmatch(door.path)]


def unclean(doors: list[Door], send: Any, statuses: set[int]) -> dict[str, Any]:
    """What was not refused in the one shape, with one of these statuses, by door."""
    answers = {f"{door.method} {door.path}": send(door) for door in doors}
    return {name: wrong for name, answer in answers.items() if (wrong := wrong_with(answer, statuses))}


def wrong_with(answer: Any, statuses: set[int]) -> Any:
    if answer.status_code not in statuses or answer.headers["Content-Type"] != "application/problem+json":
        return answer.status_code, answer.headers["Content-Type"]
    told = json.loads(answer.content)
    return None if isinstance(told["detail"], str) and told["detail"] else told


def test_there_are_doors_of_every_kind(doors):
    assert {door.method for door in doors} == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    assert len(taking_bodies(doors)) > 50


@pytest.mark.parametrize(("body", "root"), at_some_root(BODIES.values()), ids=BODIES)
def test_no_door_takes_a_body_that_is_not_clean(doors, body, root):
    send = partial(Door.answer, root=root, body=body)

    assert unclean(taking_bodies(doors), send, {400, 415}) == {}


@pytest.mark.parametrize(("kind", "root"), at_some_root(KINDS), ids=KINDS)
def test_no_door_takes_a_body_of_another_kind(doors, kind, root):
    send = partial(Door.answer, root=root, body=b'{"name": "a"}', kind=kind)
    wanted = [door for door in taking_bodies(doors) if door.path not in (LOG, FILE)]
    # Existing clients sign in by a form.
    takes_it = {"POST auth/login"} if kind == "application/x-www-form-urlencoded" else set()

    assert unclean(wanted, send, {415}).keys() == takes_it


def test_no_door_takes_a_body_beyond_its_limit(doors):
    body = b'{"name": "' + b"x" * 5 * 1024 * 1024 + b'"}'
    send = partial(Door.answer, root=ROOTS[0], body=body)
    wanted = [door for door in taking_bodies(doors) if door.path not in (LOG, FILE)]

    assert unclean(wanted, send, {400, 413, 415}) == {}


@pytest.mark.parametrize(("query", "root"), at_some_root(QUERIES.values()), ids=QUERIES)
def test_no_door_takes_parameters_that_are_not_clean(doors, query, root):
    send = partial(Door.answer, root=root, QUERY_STRING=query)
    wanted = [door for door in doors if door.method != "HEAD"]

    assert unclean(wanted, send, {400}) == {}
