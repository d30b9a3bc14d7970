from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.triggers.rules import demand, dry_runs
from apps.triggers.rules.demand import BadWishes, Level, Wishes

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def start(level, **wishes):
    """How many are wanted, and how many of those are to start."""
    decided = demand.demand(Level(**{"waiting": 0, "in_progress": 0, "live": 0} | level), Wishes(**wishes))
    return decided.wanted, decided.start


@pytest.mark.parametrize(
    ("level", "wishes", "wanted"),
    [
        pytest.param({}, {}, (0, 0), id="nothing waits"),
        pytest.param({"waiting": 1}, {}, (1, 1), id="one waits"),
        pytest.param({"waiting": 7}, {"most": 5}, (5, 5), id="no more than most"),
        pytest.param({"waiting": 7}, {"most": 5, "items_per_job": 3}, (3, 3), id="items per job"),
        pytest.param({"waiting": 7, "live": 2}, {"most": 5}, (5, 3), id="those there count"),
        pytest.param({"waiting": 1, "live": 9}, {"most": 5}, (1, 0), id="never fewer than none"),
        pytest.param({"waiting": 1, "in_progress": 2, "live": 2}, {"most": 5}, (3, 1), id="what is worked on counts"),
        pytest.param({}, {"least": 2, "most": 5}, (2, 2), id="at least"),
        pytest.param({"waiting": 4}, {"most": 5, "start_at": 5}, (0, 0), id="too few to start"),
        pytest.param({"waiting": 5}, {"most": 5, "start_at": 5}, (5, 5), id="enough to start"),
        pytest.param(
            {"waiting": 4, "oldest": 61}, {"most": 9, "start_at": 5, "oldest_at_most": 60}, (4, 4), id="too old"
        ),
        pytest.param(
            {"waiting": 100, "seconds_per_item": 6.0}, {"most": 50, "finish_within": 60}, (10, 10), id="in time"
        ),
        pytest.param({"waiting": 100}, {"most": 50, "finish_within": 60}, (50, 50), id="pace not known"),
        pytest.param(
            {"waiting": 100, "seconds_per_item": 6.0, "time_left": 30.0},
            {"most": 50, "finish_within": 60},
            (20, 20),
            id="the deadline is sooner",
        ),
        pytest.param(
            {"waiting": 3, "seconds_per_item": 6.0, "time_left": -5.0}, {"most": 50}, (3, 3), id="deadline missed"
        ),
    ],
)
def test_how_many_are_wanted(level, wishes, wanted):
    assert start(level, **wishes) == wanted


def test_the_formula_is_told_with_its_numbers():
    level = Level(waiting=100, in_progress=0, live=3, seconds_per_item=6.0)

    decided = demand.demand(level, Wishes(most=8, finish_within=60))

    assert decided.because == "100 items of 6.0 s within 60 s: 10 wanted, 8 between 0 and 8, 3 there."
    assert demand.facts(level, Wishes(), decided)["level"]["waiting"] == 100


@pytest.mark.parametrize(
    ("configuration", "named"),
    [
        ({"moon": 1}, ["moon"]),
        ({"most": 0}, ["most"]),
        ({"most": True}, ["most"]),
        ({"most": None}, ["most"]),
        ({"least": 3, "most": 2}, ["least"]),
        ({"polling_interval": 1, "cool_down": -1}, ["cool_down", "polling_interval"]),
        ({"finish_within": "1h"}, ["finish_within"]),
    ],
)
def test_numbers_that_mean_nothing_are_named(configuration, named):
    with pytest.raises(BadWishes) as bad:
        demand.read(configuration)

    assert [name for name, _ in bad.value.problems] == named


def test_what_is_left_out_is_as_usual():
    assert demand.read({"most": 3, "finish_within": None}) == Wishes(most=3)


class TestDryRuns:
    def played(self, *minutes, **wishes):
        arrivals = [NOON + timedelta(minutes=minute) for minute in minutes]
        steps = dry_runs.dry_run(
            arrivals,
            Wishes(**{"polling_interval": 60} | wishes),
            start=NOON,
            end=NOON + timedelta(hours=1),
            seconds_per_item=90,
        )
        return [(round((step.at - NOON).total_seconds() / 60), step.demand.start) for step in steps]

    def test_nothing_comes_of_nothing(self):
        assert self.played() == []

    def test_jobs_start_as_items_come(self):
        assert self.played(0, 10, 10, most=5) == [(0, 1), (10, 2)]

    def test_those_that_go_on_take_what_comes_meanwhile(self):
        assert self.played(0, 1, 2, most=1, items_per_job=10) == [(0, 1)]

    def test_a_cool_down_holds_the_next_back(self):
        assert self.played(0, 1, most=5, cool_down=300) == [(0, 1), (5, 1)]

    def test_a_day_of_many_items_is_played_soon(self):
        arrivals = [NOON + timedelta(seconds=8 * number) for number in range(10_000)]

        steps = dry_runs.dry_run(arrivals, Wishes(most=3), start=NOON, end=NOON + timedelta(days=1), seconds_per_item=1)

        assert len(steps) > 1_000
