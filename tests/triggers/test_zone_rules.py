"""What comes of next times that were stored before the rules of a time zone changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.events.models import Event
from apps.triggers import services, tasks
from apps.triggers.models import Trigger
from tests import make
from tests.make import SYSTEM
from tests.triggers.firing import NOON, firings, hour, look, trigger_due

pytestmark = pytest.mark.django_db

AT_NOON = {"cron": "0 12 * * *"}


def follow(at=NOON, **how):
    return services.follow_zone_rules(actor=SYSTEM, at=at, **how)


def moved():
    told = Event.objects.filter(type="trigger.moved").order_by("id").values_list("subject_id", "data")
    return [(subject, data["before"], data["after"]) for subject, data in told]


def next_times(*triggers):
    return [Trigger.objects.get(pk=trigger.pk).next_fire_at for trigger in triggers]


@pytest.mark.parametrize("stale", [25, 23], ids=["too late", "too early"])
def test_a_time_stored_by_other_rules_moves_once_and_fires_once(stale):
    trigger = trigger_due(hour(stale), configuration=AT_NOON)

    follow(hour(1))
    follow(hour(1))

    assert next_times(trigger) == [hour(24)]
    assert moved() == [(trigger.pk, hour(stale).isoformat(), hour(24).isoformat())]
    assert [look(hour(23)), look(hour(24)), look(hour(25))] == [0, 1, 0]
    assert firings(trigger) == [(24, "fired", "")]


def test_what_stands_right_stays_and_nothing_is_told():
    sound = trigger_due(hour(24), configuration=AT_NOON)

    follow(hour(1))

    assert next_times(sound) == [hour(24)]
    assert moved() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"enabled": False},
        {"broken": "It means nothing."},
        {"deleted_at": NOON},
        {"next_fire_at": hour(0.5)},
        {"configuration": {"cron": "61 * * * *"}},
        {"configuration": {"cron": 7}},
        {"time_zone": "Mars/Olympus"},
        {"configuration": {"every": 3600}},
    ],
    ids=["off", "broken", "deleted", "due", "no expression", "no text", "no zone", "an interval"],
)
def test_one_that_rests_or_is_due_or_means_nothing_is_left_alone_and_stops_no_other(changes):
    left, stale = trigger_due(hour(25), configuration=AT_NOON), trigger_due(hour(25), configuration=AT_NOON)
    Trigger.objects.filter(pk=left.pk).update(**changes)
    before = next_times(left)

    follow(hour(1))

    assert next_times(left) == before
    assert next_times(stale) == [hour(24)]
    assert [subject for subject, *_ in moved()] == [stale.pk]


def test_one_whose_last_time_the_new_rules_put_behind_its_end_is_due_no_more():
    trigger = trigger_due(hour(23), configuration=AT_NOON, ends_at=hour(23.5))

    follow(hour(1))

    assert next_times(trigger) == [None]
    assert moved() == [(trigger.pk, hour(23).isoformat(), None)]


def test_a_clock_that_was_put_back_brings_no_settled_time_back():
    trigger = trigger_due(hour(0))
    look(hour(2))

    follow(hour(0.5))

    assert next_times(trigger) == [hour(3)]
    assert moved() == []


def test_many_are_looked_at_batch_by_batch():
    triggers = [trigger_due(hour(25), configuration=AT_NOON) for _ in range(3)]

    first = follow(hour(1), limit=2)
    second = follow(hour(1), limit=2, beyond=first)

    assert follow(hour(1), limit=2, beyond=second) is None
    assert next_times(*triggers) == [hour(24)] * 3


def test_a_batch_takes_the_same_statements_however_many_move(django_assert_num_queries):
    for _ in range(10):
        trigger_due(hour(25), configuration=AT_NOON)

    with django_assert_num_queries(5):  # a savepoint and its end among them
        follow(hour(1))


def test_the_tick_goes_through_all_of_them():
    triggers = [make.trigger(configuration={"cron": "@yearly"}) for _ in range(3)]
    right = next_times(*triggers)
    Trigger.objects.update(next_fire_at=datetime.now(UTC) + timedelta(days=400))

    tasks.follow_zone_rules()

    assert next_times(*triggers) == right


def test_only_who_may_fire_triggers_everywhere_may_ask_for_it():
    with pytest.raises(NotAllowed):
        services.follow_zone_rules(actor=Actor.person(make.user("triggers.view_trigger")))
