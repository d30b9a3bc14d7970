import pytest
from django.test import Client


@pytest.fixture
def caller():
    """A client that is known as ``ann``, on the tests' own addresses."""
    return Client(headers={"X-Test-Caller": "ann"})


@pytest.fixture
def lines():
    """The log lines written from here on, as dictionaries."""
    import structlog

    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as captured:
        yield captured
