"""Every POST of the canonical API is done once under its key, whichever app it belongs to."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.db import transaction

from tests import api, make
from tests.api_routes import Route, World, headers, routes

pytestmark = pytest.mark.django_db

#: What is called there is not there, which is no answer to keep.
UNANSWERED = {"POST credential-stores/<str:id>/test": "store_failed"}
UPLOADS = ("packages/upload", "me/avatar")
#: Their answers hold a secret, which is not kept.
SHOWN_ONCE = {
    "POST api-keys",
    "POST api-keys/<str:id>/rotate",
    "POST credentials/<str:id>/reveal",
    "POST enrolment-keys",
    "POST enrolment-keys/<str:id>/replace",
    "POST machines",
    "POST machines/<str:id>/regenerate-key",
    "POST robots",
    "POST robots/<str:id>/rotate-token",
}


def posts() -> list[Route]:
    return [one for one in routes() if one.method == "POST" and one.path not in UPLOADS and one.view.answers_once]


def undone(call: Any) -> Any:
    """The answer of a call whose effects are taken back."""
    place = transaction.savepoint()
    answer = call()
    transaction.savepoint_rollback(place)
    return answer


def second_answer(caller: api.Caller, route: Route, world: World) -> str:
    """How the same request is answered the second time."""
    named = headers(world.tenant) | {"Idempotency-Key": "k-1"}
    send = partial(caller.post, route.address(world.rows), world.body(route), **named)
    first, again = send(), send()
    if again.headers.get("Idempotency-Replayed") == "true" and again.whole == first.whole:
        return "the first again"
    return str(again.json()["code"])


def test_the_same_request_again_gets_the_first_answer():
    world, root = World(), api.root()

    found = {str(one): undone(partial(second_answer, root, one, world)) for one in posts()}

    expected = {route: "secret_shown_once" if route in SHOWN_ONCE else "the first again" for route in found}
    assert found == expected | UNANSWERED


def test_the_same_upload_again_gets_the_first_answer():
    world, root = World(), api.root()
    file = make.package_file()
    named = headers(world.tenant) | {"Idempotency-Key": "k-1"}

    first = root.upload(file, headers=named)
    file.seek(0)
    again = root.upload(file, headers=named)

    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.headers["Idempotency-Replayed"], again.whole) == ("true", first.whole)
