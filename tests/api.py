"""Calling the API in tests, as people and programs do."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from apps.accounts.models import User
from apps.tenancy.models import Tenant
from tests import make

ROOT = "/api/v1/"


class Caller:
    """Somebody who calls the API: a person with a session, or, with ``key_in``, a program with a key of a tenant."""

    def __init__(self, person: User, *, key_in: Tenant | None = None) -> None:
        self.person = person
        if key_in is not None:
            self.client = Client(headers={"Authorization": f"Bearer {make.api_key(person, key_in)}"})
        else:
            self.client = Client()
            self.client.force_login(person)

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return whole(self.client.get(ROOT + path, query, headers=headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("DELETE", path, **headers)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = "" if body is None else json.dumps(body, default=str)
        return whole(self.client.generic(method, ROOT + path, data, "application/json", headers=headers))

    def upload(
        self, file: Any, path: str = "packages/upload", *, headers: dict[str, str] | None = None, **fields: str
    ) -> Any:
        if not hasattr(file, "name"):
            file.name = "any.bvpackage"
        return whole(self.client.post(ROOT + path, {"file": file, **fields}, headers=headers or {}))


def whole(response: Any) -> Any:
    """The answer with all of its body in ``whole``, which ends a streamed one."""
    response.whole = b"".join(response.streaming_content) if response.streaming else response.content
    return response


def root() -> Caller:
    """Somebody who may do everything everywhere."""
    return Caller(make.user(superuser=True))


def ids(page: Any) -> list[str]:
    """The ids of the rows of a list, in order."""
    assert page.status_code == 200, page.content
    return [row["id"] for row in page.json()["items"]]


def fields_refused(response: Any) -> set[str]:
    """Which fields an answer of 400 names."""
    assert response.status_code == 400, response.content
    return {problem["field"] for problem in response.json()["errors"]}
