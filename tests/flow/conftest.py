from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import flows, plants
from tests.flows import Flow
from tests.plants import Plant


@pytest.fixture(scope="session")
def plant() -> Iterator[Plant]:
    """A cluster of its own with a ``web``: what robots do is committed, and must meet no other test."""
    with plants.plant("web", LIVE_URL="", **flows.QUICK) as made:
        yield made


@pytest.fixture(scope="module")
def committed(plant: Plant, django_db_blocker) -> Iterator[None]:
    """Let the services and models of the tests work there."""
    with django_db_blocker.unblock(), plants.at_home_in(plant):
        yield


@pytest.fixture(scope="module")
def flow(plant: Plant, committed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """One tenant on a real ``web``, with real robots to start, for all tests of a file. Each makes its own jobs."""
    made = Flow(plant.url, tmp_path_factory.mktemp("flow"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def flow_with_live(committed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """The same with a real ``live``, at which robots wait."""
    # Robots that are not woken come so late that no test would see them.
    slow = {"SYNC_MAX": "600", "SYNC_WITH_WAIT": "600", "RENEW_EVERY": "600"}
    with flows.flow(tmp_path_factory.mktemp("flow-live"), with_live=True, **slow) as made:
        yield made
