"""What the roles are given to start with."""

from pathlib import Path

import pytest

from orchestrator.supervisor import programs

DATA_DIR = Path("/var/lib/bv")


@pytest.fixture
def environment(monkeypatch):
    """Ask for the environment of a role; changes to our own go first."""

    def ask(**ours):
        for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "LIVE_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ours.items():
            monkeypatch.setenv(name, value)
        return programs.environment(DATA_DIR, "http://127.0.0.1:8001")

    return ask


def test_a_role_is_told_where_it_is(environment):
    found = environment(GREETING="hello")

    assert found["BV_DATA_DIR"] == "/var/lib/bv"
    assert found["LIVE_URL"] == "http://127.0.0.1:8001"
    assert found["GREETING"] == "hello"


def test_an_address_of_live_that_is_given_goes_first(environment):
    assert environment(LIVE_URL="https://live.example")["LIVE_URL"] == "https://live.example"


def test_byte_code_lies_where_python_wants_it(environment):
    assert "PYTHONPYCACHEPREFIX" not in environment()


def test_byte_code_that_may_not_lie_beside_the_sources_is_kept_with_the_data(environment):
    found = environment(PYTHONDONTWRITEBYTECODE="1")

    assert found["PYTHONPYCACHEPREFIX"] == "/var/lib/bv/byte-code"
    assert found["PYTHONDONTWRITEBYTECODE"] == ""
