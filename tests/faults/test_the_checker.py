"""The checker on a live system: while jobs are granted, ended, lost and cancelled it sees nothing that is not there."""

from __future__ import annotations

import random

from apps.jobs.models import Job
from apps.jobs.models.invariants import check_live

LOOKS = 60
OUTCOMES = ["completed"] * 3 + ["failed"]


def test_at_no_moment_of_a_busy_system_is_anything_called_broken(ground):
    chance = random.Random(11)
    process = ground.process(max_attempts=20, backoff_base=1, backoff_cap=1, concurrency_limit=4)
    for _ in range(4):
        ground.robot(slots=2, work=lambda: chance.expovariate(5.0), outcome=lambda: chance.choice(OUTCOMES))

    found = [broken_after_a_step(ground, process, chance) for _ in range(LOOKS)]

    assert [names for names in found if names] == []
    assert Job.objects.filter(tenant=ground.tenant, attempts_used__gt=0).count() > LOOKS / 4


def broken_after_a_step(ground, process, chance) -> list[str]:
    """Ask for a job, cancel one, crash a robot now and then, and look."""
    [job] = ground.run(process)
    if chance.random() < 0.2:
        ground.operate(job, "cancel")
    if chance.random() < 0.1:
        chance.choice(ground.robots).crash(keeps_spool=False)
    return [str(finding) for finding in check_live() if not finding.holds]
