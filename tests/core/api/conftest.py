import pytest
from django.test import Client


@pytest.fixture
def caller():
    """A client that is known as ``ann``, on the tests' own addresses."""
    return Client(headers={"X-Test-Caller": "ann"})


@pytest.fixture
def stranger():
    """A client that nobody knows."""
    return Client()


@pytest.fixture
def send(caller):
    """Post raw bytes as JSON, as they are."""

    def post(body: bytes, path: str = "/api/test/echo", content_type: str = "application/json", **headers):
        return caller.generic("POST", path, body, content_type, headers=headers or None)

    return post
