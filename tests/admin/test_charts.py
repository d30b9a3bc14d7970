"""Lines over time, drawn and said."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from apps.core.admin import charts


def draw(*series: float | None, top: float = 1) -> charts.Chart | None:
    return charts.draw("Load", series, top=top, shown="{:.1f}".format)


def test_values_are_drawn_from_the_bottom_to_the_top():
    chart = draw(0.0, 0.5, 1.0, 0.25)

    assert chart.line == "M30.0 100.0L90.0 50.0L150.0 0.0L210.0 75.0"
    assert chart.area == "M30.0 100L30.0 100.0L90.0 50.0L150.0 0.0L210.0 75.0L210.0 100Z"


def test_a_gap_is_left_open_and_a_lonely_value_is_as_long_as_its_step():
    chart = draw(0.5, None, 0.5, 0.5)

    assert chart.line == "M0.0 50.0L60.0 50.0 M150.0 50.0L210.0 50.0"


def test_the_scale_grows_with_the_highest_value_to_the_next_half():
    assert draw(2.1).scale == ("2.5", "1.2", "0.0")
    assert draw(0.1).scale == ("1.0", "0.5", "0.0")


def test_it_is_said_in_words():
    assert draw(0.2, None, 0.4).words == "Load: last 0.4, lowest 0.2, highest 0.4, mean 0.3."


def test_nothing_measured_is_no_chart():
    assert draw(None, None) is None


def test_an_axis_takes_the_mean_of_each_step_and_leaves_out_what_lies_outside():
    axis = charts.Axis.until_now(timedelta(hours=1), timedelta(minutes=10))
    first = axis.begins + timedelta(minutes=1)
    values = [(first, 1.0), (first, 3.0), (first, None), (axis.begins - timedelta(minutes=1), 9.0)]

    assert axis.means(values) == [2.0, None, None, None, None, None]
    assert axis.begins + timedelta(hours=1) > timezone.now()
    assert (len(axis.marks), axis.marks[-1]) == (5, "now")
