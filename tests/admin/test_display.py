"""How values look."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.core.admin import display


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0, "0 s"), (0.25, "0.2 s"), (9, "9 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min 59 s"),
        (3_661, "1 h 1 min"), (timedelta(days=2, hours=3, minutes=5), "2 d 3 h"),
    ],
)  # fmt: skip
def test_a_span_of_time_is_told_in_its_two_largest_units(value, text):
    assert display.length(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (150 * 1024, "150 KiB"),
        (3 << 20, "3.0 MiB"),
        (5 << 30, "5.0 GiB"),
    ],
)
def test_bytes_are_told_in_the_unit_that_suits_them(count, text):
    assert display.bytes_as_text(count) == text


def test_a_moment_is_told_in_the_current_zone_and_its_tooltip_names_that():
    moment = datetime(2020, 1, 31, 10, 0, tzinfo=UTC)

    with timezone.override("Europe/Paris"):
        shown = display.moment(moment)

    assert "31 Jan 2020" in shown
    assert "11:00:00 Europe/Paris" in shown


@pytest.mark.parametrize(
    ("age", "text"),
    [(timedelta(), "just now"), (timedelta(minutes=5), "5 min ago"), (timedelta(minutes=-5, seconds=-1), "in 5 min")],
)
def test_how_long_ago_is_told_in_words(age, text):
    assert text in display.ago(timezone.now() - age)


def test_what_is_nothing_is_a_dash():
    nothing = [display.moment(None), display.ago(None), display.link(None), display.mono(""), display.badges([])]

    assert nothing == ["–"] * 5


def test_markup_in_a_value_stays_text():
    wicked = "<b>x</b>"

    shown = [display.badge(wicked), display.badges([wicked]), display.mono(wicked), display.nowrap(wicked)]

    assert [wicked in text for text in shown] == [False] * 4
