"""Steps as the tree they are."""

from __future__ import annotations

from apps.jobs.rules.traces import Traced, arrange


def steps(*pairs: tuple[str, str]) -> list[Traced]:
    return [Traced(span_id=own, parent_span_id=parent, name=own) for own, parent in pairs]


def shape(*pairs: tuple[str, str]) -> list[tuple[str, int]]:
    return [(step.span_id, depth) for step, depth in arrange(steps(*pairs))]


def test_each_step_stands_behind_the_one_it_belongs_to():
    assert shape(("b", "a"), ("c", "b"), ("a", ""), ("d", "a")) == [("a", 0), ("b", 1), ("c", 2), ("d", 1)]


def test_a_step_whose_parent_was_never_told_stands_at_the_top():
    assert shape(("a", "gone"), ("b", "a")) == [("a", 0), ("b", 1)]


def test_steps_in_a_circle_are_shown_once_each():
    assert shape(("a", "b"), ("b", "a"), ("c", "c")) == [("c", 0), ("a", 0), ("b", 1)]


def test_a_very_deep_chain_is_no_trouble():
    chain = [(str(number), str(number - 1)) for number in range(10_000)]

    assert shape(*chain)[-1] == ("9999", 9999)


def test_nothing_is_nothing():
    assert shape() == []
