from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.triggers.rules import misfires, schedules
from apps.triggers.rules.misfires import Policy

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
HOURLY = schedules.parse({"cron": "0 * * * *"}, zone="UTC", anchor=NOON)


def hours(decisions):
    return [(decision.due_at.hour, decision.fires) for decision in decisions]


def decide(misfire, *, first=8, minute=0, limit=2, grace=60):
    policy = Policy(misfire, limit, timedelta(seconds=grace))
    now = NOON + timedelta(minutes=minute)
    return misfires.decide(HOURLY, first=NOON.replace(hour=first), now=now, policy=policy)


def test_a_punctual_time_fires_and_the_next_one_follows():
    decisions, following = decide("skip", first=12)

    assert hours(decisions) == [(12, True)]
    assert following == NOON + timedelta(hours=1)


@pytest.mark.parametrize("misfire", ["fire_once", "fire_all", "skip"])
def test_a_time_that_has_not_come_is_left_alone(misfire):
    decisions, following = decide(misfire, first=13)

    assert (decisions, following) == ([], NOON.replace(hour=13))


@pytest.mark.parametrize(
    ("misfire", "minute", "fired"),
    [
        pytest.param("fire_once", 30, [12], id="once: the newest stands for all"),
        pytest.param("fire_once", 0, [12], id="once: a punctual one stands for all"),
        pytest.param("fire_all", 30, [11, 12], id="all: the newest few"),
        pytest.param("fire_all", 0, [10, 11, 12], id="all: the newest few and the punctual one"),
        pytest.param("skip", 30, [], id="skip: none"),
        pytest.param("skip", 0, [12], id="skip: the punctual one"),
    ],
)
def test_what_was_missed_follows_the_policy(misfire, minute, fired):
    decisions, following = decide(misfire, minute=minute)

    assert [decision.due_at.hour for decision in decisions] == [8, 9, 10, 11, 12]
    assert [decision.due_at.hour for decision in decisions if decision.fires] == fired
    assert all(decision.reason for decision in decisions if not decision.fires)
    assert following == NOON + timedelta(hours=1)


def test_the_grace_decides_what_is_punctual():
    decisions, _ = decide("skip", first=10, minute=30, grace=2 * 3600)

    assert hours(decisions) == [(10, False), (11, True), (12, True)]


def test_very_many_missed_times_are_decided_in_pieces_that_join_without_a_gap():
    every = schedules.parse({"every": 10}, zone="UTC", anchor=NOON)
    policy = Policy("fire_once", 1, timedelta(seconds=5))
    now = NOON + timedelta(seconds=10 * 2500 + 7)
    first, decided = NOON, []

    pieces = 0
    while first is not None and first <= now:
        decisions, first = misfires.decide(every, first=first, now=now, policy=policy)
        decided += decisions
        pieces += 1

    assert pieces == 3
    assert [decision.due_at for decision in decided] == [NOON + timedelta(seconds=10 * n) for n in range(2501)]
    assert [decision.due_at for decision in decided if decision.fires] == [NOON + timedelta(seconds=25000)]
    assert first == NOON + timedelta(seconds=25010)


def test_a_schedule_that_ends_says_that_nothing_follows():
    class Once:
        in_words = "once"

        def after(self, moment):
            return iter([NOON] if moment < NOON else [])

        def before(self, moment):
            return iter([NOON] if moment >= NOON else [])

    decisions, following = misfires.decide(
        Once(), first=NOON, now=NOON, policy=Policy("skip", 1, timedelta(seconds=60))
    )

    assert hours(decisions) == [(12, True)]
    assert following is None
