from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import flows, plants
from tests.faults.counted import Counted
from tests.faults.ground import Ground, assert_invariants
from tests.faults.proxy import FaultProxy
from tests.flows import Flow
from tests.plants import Plant

#: Everything happens faster here, so that what would take minutes takes seconds.
HASTE = flows.QUICK | {
    "LEASE_TTL": "8",
    "SWEEP_EVERY": "1",
    "TICK_EVERY": "0.5",
    "OUTAGE_AFTER": "2.5",
    "SESSION_SILENCE": "2",
    "OFFLINE_AFTER": "60",
    "LIVE_URL": "",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long-faults", type=float, metavar="MINUTES", help="how long the campaign of faults goes on")
    parser.addoption("--faults-seed", type=int, help="the seed of the campaign, to run one again")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def plant() -> Iterator[Plant]:
    """Every role on a cluster of its own, where all of it may be killed."""
    with plants.plant("web", "worker", "beat", **HASTE) as made:
        yield made


@pytest.fixture
def ground(plant: Plant, django_db_blocker) -> Iterator[Ground]:
    """A tenant of its own on the plant; at the end everything is settled and every invariant holds."""
    with django_db_blocker.unblock(), plants.at_home_in(plant):
        made = Ground(plant)
        yield made
        plant.wait_ready("postgres", "valkey", "web", "worker", "beat")
        made.drain()
        assert_invariants(made.log.lines)


@pytest.fixture
def flow(ground: Ground, tmp_path: Path) -> Iterator[Flow]:
    """Real robots for a test, on the plant."""
    made = Flow(ground.plant.url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def counted(flow: Flow, tmp_path: Path) -> Counted:
    """Jobs that may be tried three times."""
    return Counted(flow, tmp_path, max_attempts=3, backoff_base=1, backoff_cap=1)


@pytest.fixture
def proxy(plant: Plant) -> Iterator[FaultProxy]:
    """A network in front of ``web`` that fails as it is told to."""
    with FaultProxy(plant.port) as made:
        yield made
