from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from apps.core.errors import Invalid
from apps.triggers.models.previews import preview_of, preview_of_trigger
from tests import make

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_trigger_that_is_not_saved_is_foretold():
    preview = preview_of({"cron": "@hourly"}, viewer_zone="Asia/Tokyo", now=NOW)

    assert len(preview.times) == 20
    assert f"{preview.times[0].viewer_local:%d %H:%M}" == "01 22:00"


@pytest.mark.parametrize("name", ["starts_at", "ends_at"])
def test_a_moment_out_of_the_calendar_is_refused(name):
    moment = datetime(9999, 12, 31, tzinfo=UTC)

    with pytest.raises(Invalid, match="1970"):
        preview_of({"every": 366 * 86_400}, now=NOW, **{name: moment})


def test_a_trigger_that_is_there_is_foretold_between_its_start_and_its_end():
    trigger = make.trigger(
        configuration={"every": 3600}, starts_at=NOW + timedelta(hours=3), ends_at=NOW + timedelta(hours=5)
    )

    preview = preview_of_trigger(trigger, now=NOW)

    assert [time.at.hour for time in preview.times] == [15, 16, 17]
    assert preview.warnings == []


def test_an_interval_without_a_start_counts_from_when_its_trigger_was_made():
    trigger = make.trigger(configuration={"every": 3600})

    preview = preview_of_trigger(trigger, count=1)

    assert preview.times[0].at == trigger.created_at.replace(microsecond=0) + timedelta(hours=1)


def test_the_calendar_is_asked_by_its_own_clocks():
    calendar = make.calendar(
        time_zone="Asia/Tokyo",
        rules=[{"kind": "dates", "label": "Day off", "first_at": date_at(2), "last_at": date_at(3)}],
    )

    preview = preview_of({"cron": "0 */6 * * *"}, calendar=calendar, now=NOW, count=5)

    assert [time.silent for time in preview.times] == ["Day off", "Day off", "Day off", "Day off", ""]


def test_a_queue_trigger_is_told_in_words():
    words = preview_of({"most": 3, "items_per_job": 10, "start_at": 5}, kind="queue").words

    assert words == (
        "Looks every 5 seconds and keeps 0 to 3 jobs going, one for each 10 items; "
        "starts none for fewer than 5 waiting items"
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"configuration": {"cron": "0 0 31 2 *"}}, "configuration.cron"),
        ({"configuration": {"cron": "@daily"}, "time_zone": "Mars/Base"}, "time_zone"),
        ({"configuration": {"cron": "@daily"}, "viewer_zone": "Mars/Base"}, "viewer_zone"),
        ({"configuration": {"cron": "@daily"}, "starts_at": NOW, "ends_at": NOW}, "ends_at"),
        ({"configuration": {"most": 0}, "kind": "queue"}, "configuration.most"),
    ],
)
def test_what_means_nothing_is_refused_by_field(given, field):
    with pytest.raises(Invalid) as refused:
        preview_of(**given, now=NOW)

    assert [problem.field for problem in refused.value.problems] == [field]


def date_at(day):
    return datetime.combine(date(2026, 1, day), datetime.min.time())
