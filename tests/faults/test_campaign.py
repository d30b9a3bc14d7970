"""A campaign: everything at once, for as long as is asked for, by a seed.

``manage.py test tests/faults -k campaign -n0 --long-faults MINUTES [--faults-seed SEED]``. Without the option it goes
on for a few seconds only, so that it is known to work.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

from apps.jobs.models import Execution, ExecutionStatus, LateResult
from tests.faults.proxy import Fault

ROBOTS = 6
SHORT_SECONDS = 15.0
FAULTS_AT_THE_PROXY = [88, 3, 4, 3, 1, 1]
"""How often each fault of the network happens, in the order of ``Fault``."""


class Campaign:
    """One seeded run: jobs are asked for, some are cancelled, and something is always going wrong."""

    def __init__(self, ground, proxy, seed: int) -> None:
        self.ground, self.proxy = ground, proxy
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.jobs: list[str] = []
        network = random.Random(seed + 1)
        proxy.delay = 4.0
        proxy.decide = lambda request: network.choices(list(Fault), FAULTS_AT_THE_PROXY)[0]
        self.process = ground.process(max_attempts=20, backoff_base=1, backoff_cap=2, concurrency_limit=8)
        for number in range(ROBOTS):
            self._start_robot(random.Random(seed + 2 + number))
        #: What can happen, and how likely it is.
        self.happenings: dict[Callable[[], None], int] = {
            self._ask_for_jobs: 40,
            self._cancel_one: 6,
            self._kill_one: 2,
            self._crash_robot: 12,
            self._pause_robot: 6,
            self._freeze_network: 2,
            self._kill_web: 2,
            self._kill_worker: 1,
            self._kill_beat: 1,
            self._kill_broker: 1,
            self._stop_database: 2,
        }

    def go_on(self, seconds: float) -> None:
        """Let one thing after the other happen for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            [happening] = self.chance.choices(list(self.happenings), list(self.happenings.values()))
            happening()
            self.done[happening.__name__.strip("_")] += 1
            time.sleep(self.chance.uniform(0.05, 0.5))

    def _start_robot(self, chance: random.Random) -> None:
        ends = ["completed"] * 9 + ["failed"]
        self.ground.robot(
            url=self.proxy.url, slots=2, work=lambda: chance.expovariate(1.0), outcome=lambda: chance.choice(ends)
        )

    def _ask_for_jobs(self) -> None:
        self.jobs += self.ground.run(self.process, self.chance.randint(1, 3), url=self.proxy.url)

    def _cancel_one(self) -> None:
        self._operate("cancel")

    def _kill_one(self) -> None:
        self._operate("kill")

    def _operate(self, what: str) -> None:
        if self.jobs:
            self.ground.operate(self.chance.choice(self.jobs[-6:]), what)

    def _crash_robot(self) -> None:
        self.chance.choice(self.ground.robots).crash(keeps_spool=self.chance.random() < 0.7)

    def _pause_robot(self) -> None:
        self.chance.choice(self.ground.robots).pause(self.chance.uniform(1, 18))

    def _freeze_network(self) -> None:
        self.proxy.freeze()
        time.sleep(self.chance.uniform(1, 8))
        self.proxy.thaw()

    def _kill_web(self) -> None:
        self.ground.plant.kill("web")

    def _kill_worker(self) -> None:
        self.ground.plant.kill("worker")

    def _kill_beat(self) -> None:
        self.ground.plant.kill("beat")

    def _kill_broker(self) -> None:
        self.ground.plant.kill("valkey")

    def _stop_database(self) -> None:
        self.ground.plant.stop_database_at_once()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed asked for, or a new one; told in either case."""
    asked = request.config.getoption("--faults-seed")
    return asked if asked is not None else random.SystemRandom().randrange(1_000_000)


def test_a_campaign_of_everything_loses_and_doubles_nothing(ground, proxy, seed, request, record_property, capsys):
    minutes = request.config.getoption("--long-faults")
    tell(capsys, f"campaign: seed {seed}")
    record_property("seed", seed)
    campaign = Campaign(ground, proxy, seed)

    campaign.go_on(minutes * 60 if minutes else SHORT_SECONDS)

    ground.plant.wait_ready("postgres", "valkey", "web", "worker", "beat")
    states = ground.drain(seconds=300)
    tell(
        capsys, f"campaign: {dict(campaign.done)}, {dict(proxy.seen)}, {dict(Counter(states.values()))}, {seen(ground)}"
    )
    assert set(campaign.jobs) <= set(states)


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Say something to whoever runs the tests, whatever pytest keeps to itself."""
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


def seen(ground) -> dict[str, int]:
    """What a campaign should have come across: one that never did has shown little."""
    of_tenant = Execution.objects.filter(tenant=ground.tenant)
    return {
        "lost": of_tenant.filter(reason__in=["lost", "robot_restarted"]).count(),
        "adopted": of_tenant.filter(status=ExecutionStatus.ADOPTED).count(),
        "late results": LateResult.objects.filter(tenant_id=ground.tenant.pk).count(),
        "reports known again": ground.log.count("told", answer="duplicate"),
    }
