"""Whether parameters fit, in words for people."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from apps.packages.rules import parameters
from tests.packages.rules.reports import signature

SCHEMA = signature(
    """
    from dataclasses import dataclass
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal
    from enum import Enum
    from typing import Annotated, Literal
    from uuid import UUID

    class Colour(Enum):
        RED = "red"
        GREEN = "green"

    @dataclass
    class Line:
        article: str
        amount: Annotated[int, Ge(1)]

    @dataclass
    class Order:
        lines: list[Line]
        note: str | None = None

    def run(
        amount: int = 1, order: Order | None = None, share: Annotated[float, Gt(0), Lt(1)] = 0.5,
        mode: Literal["a", "b"] = "a", colour: Colour = Colour.RED, only: Literal[1] = 1,
        day: date = "2026-01-31", moment: datetime = "2026-01-31T10:00:00Z", at: time = "10:00",
        long: timedelta = "PT1H",
        money: Decimal = "1.50", key: UUID = "123e4567-e89b-12d3-a456-426614174000", either: int | list[int] = 1,
        tags: Annotated[set[str], MaxLen(2)] = (), code: Annotated[str, MinLen(2), MaxLen(3)] = "ab",
        pair: tuple[int, str] = (1, "x"), table: dict[str, int] = {}, keyed: dict[Literal["k"], int] = {},
        few: Annotated[dict, MinLen(1)] = {"a": 1}, five: Annotated[int, MultipleOf(5)] = 5,
        low: Annotated[int, Le(3)] = 1, anything=None, flag: bool = True, empty: None = None,
        choice: Order | Line | int | None = None, fixed: date | int = 1,
    ): ...
    """
).input_schema


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"amount": "ten"}, [("amount", "must be an integer, not 'ten'")]),
        ({"amount": 1.5}, [("amount", "must be an integer, not 1.5")]),
        ({"amount": True}, [("amount", "must be an integer, not true")]),
        ({"amount": None}, [("amount", "must be an integer, not null")]),
        ({"amount": []}, [("amount", "must be an integer, not a list")]),
        ({"flag": "yes"}, [("flag", "must be true or false, not 'yes'")]),
        ({"empty": 1}, [("empty", "must be null, not 1")]),
        ({"share": 1}, [("share", "must be less than 1, not 1")]),
        ({"share": 0}, [("share", "must be more than 0, not 0")]),
        ({"low": 4}, [("low", "must be at most 3, not 4")]),
        ({"five": 7}, [("five", "must be a multiple of 5, not 7")]),
        ({"mode": "c"}, [("mode", "must be one of 'a', 'b', not 'c'")]),
        ({"colour": "RED"}, [("colour", "must be one of 'red', 'green', not 'RED'")]),
        ({"only": 2}, [("only", "must be 1, not 2")]),
        ({"day": "31.1.2026"}, [("day", "must be a date such as 2026-01-31, not '31.1.2026'")]),
        ({"day": "2026-02-30"}, [("day", "must be a date such as 2026-01-31, not '2026-02-30'")]),
        ({"day": 5}, [("day", "must be a date such as 2026-01-31, not 5")]),
        ({"moment": "now"}, [("moment", "must be a date and time such as 2026-01-31T10:00:00Z, not 'now'")]),
        ({"at": "25:00"}, [("at", "must be a time such as 10:00:00, not '25:00'")]),
        ({"long": "1 hour"}, [("long", "must be a duration such as PT1H30M, not '1 hour'")]),
        ({"money": 1.5}, [("money", "must be a decimal number in quotes such as '12.50', not 1.5")]),
        ({"money": "1,50"}, [("money", "must be a decimal number in quotes such as '12.50', not '1,50'")]),
        ({"key": "x"}, [("key", "must be a UUID such as 123e4567-e89b-12d3-a456-426614174000, not 'x'")]),
        ({"tags": ["a", "a"]}, [("tags", "must not hold anything twice")]),
        ({"tags": ["a", "b", "c"]}, [("tags", "must have at most 2 items, not 3")]),
        ({"code": "a"}, [("code", "must have at least 2 characters, not 1")]),
        ({"few": {}}, [("few", "must have at least 1 field, not 0")]),
        ({"pair": [1]}, [("pair", "must have at least 2 items, not 1")]),
        ({"pair": ["x", 1]}, [("pair[0]", "must be an integer, not 'x'"), ("pair[1]", "must be text, not 1")]),
        ({"table": {"a": "b"}}, [("table.a", "must be an integer, not 'b'")]),
        ({"keyed": {"other": 1}}, [("keyed", "must be 'k', not 'other'")]),
        ({"order": {}}, [("order.lines", "is required")]),
        ({"order": {"lines": [{"article": 1, "amount": 0}]}}, [
            ("order.lines[0].article", "must be text, not 1"),
            ("order.lines[0].amount", "must be at least 1, not 0"),
        ]),
        ({"at": 5}, [("at", "must be a time such as 10:00:00, not 5")]),
        ({"order": 5}, [("order", "must be an object or null, not 5")]),
        ({"either": "x"}, [("either", "must be an integer or a list, not 'x'")]),
        ({"either": ["x"]}, [("either[0]", "must be an integer, not 'x'")]),
        ({"choice": {}}, [("choice", "must be an object or an integer or null, not an object")]),
        ({"fixed": "x"}, [("fixed", "must be a date such as 2026-01-31, not 'x'")]),
        ({"fixed": []}, [("fixed", "must be a date such as 2026-01-31 or an integer, not a list")]),
        ([], [("", "must be an object, not a list")]),
        ("text", [("", "must be an object, not 'text'")]),
        (None, [("", "must be an object, not null")]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_its_path(given, told):
    assert parameters.problems(SCHEMA, given) == told


def test_unknown_names_are_refused_with_the_known_ones():
    schema = signature("def run(amount: int, name=''): ...").input_schema

    found = parameters.problems(schema, {"amont": 1, "x\u202ey": 2})

    assert found == [
        ("amount", "is required"),
        ("amont", "is not known; known are: amount, name"),
        ("x\\u202ey", "is not known; known are: amount, name"),
    ]


def test_where_nothing_is_taken_that_is_said():
    assert parameters.problems(signature("def run(): ...").input_schema, {"a": 1}) == [
        ("a", "is not known; nothing is taken here")
    ]


def test_every_problem_is_told_at_once_up_to_a_hundred():
    found = parameters.problems(SCHEMA, {"table": {f"k{number}": "x" for number in range(500)}})

    assert len(found) == 100


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"moment": "2026-01-31t10:00:00.123456+01:00"},
        {"moment": "2026-01-31 10:00"},
        {"at": "10:00:00Z"},
        {"long": "P1Y2M3DT4H5M6.5S"},
        {"long": "P3W"},
        {"money": "-1E3"},
        {"order": None, "either": [1, 2], "anything": {"x": [1]}, "empty": None},
        {"order": {"lines": [{"article": "a", "amount": 1}], "note": None}},
        {"choice": {"article": "a", "amount": 1}},
        {"amount": 1.0},
    ],
)
def test_what_fits_has_no_problems(given):
    assert parameters.problems(SCHEMA, given) == []


@pytest.mark.parametrize("text", ["P", "PT", "P1H", "1H", "PT1.H", "P١D"])
def test_what_is_no_duration_is_refused(text):
    assert [path for path, _ in parameters.problems(SCHEMA, {"long": text})] == ["long"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1_000", "", " 1", "１", "1" * 2_000])
def test_what_is_no_finite_decimal_is_refused(text):
    found = parameters.problems(SCHEMA, {"money": text})

    assert [path for path, _ in found] == (["money"] if text != " 1" else [])


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [("uri", "https://example.org/x", "example"), ("email", "a@b.c", "ab"), ("ipv4", "192.0.2.1", "300.1.1.1")],
)
def test_other_formats_are_checked(form, good, bad):
    schema = {"type": "string", "format": form}

    assert parameters.problems(schema, good) == []
    assert len(parameters.problems(schema, bad)) == 1


def test_a_pattern_is_for_people_and_never_run():
    schema = signature("def run(a: Annotated[str, Field(pattern='(a+)+$')]): ...").input_schema

    assert parameters.problems(schema, {"a": "a" * 50 + "!"}) == []


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ("Literal['a', 'b'] | None", "must be one of 'a', 'b' or null, not 'x'"),
        ("Literal['a'] | int", "must be 'a' or an integer, not 'x'"),
        ("list[Literal[" + ", ".join(map(str, range(25))) + "]] | int", "must be a list or an integer, not 'x'"),
    ],
)
def test_choices_among_alternatives_are_listed(annotation, told):
    schema = signature(f"from typing import Literal\ndef run(a: {annotation}): ...").input_schema

    assert parameters.problems(schema, {"a": "x"}) == [("a", told)]


def test_long_lists_of_choices_are_cut():
    schema = {"enum": list(range(30))}

    assert parameters.problems(schema, "x")[0][1].endswith("18, 19, … (10 more), not 'x'")


def test_rules_that_are_not_ours_are_told_in_the_words_of_the_library():
    assert parameters.problems({"not": {}}, 1) == [("", "1 should not be valid under {}")]


def test_many_parameters_are_checked_with_one_checker():
    check = parameters.checker(SCHEMA)

    assert [check({"amount": value}) == [] for value in (1, "x", 2)] == [True, False, True]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(-2, 2)
    | st.sampled_from(["", "a", "ab", "2026-01-31", "red"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["lines", "article", "amount", "k", "note"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "unknown"]), json_values, max_size=6))
def test_we_and_the_library_agree_about_what_fits(given):
    untouched = copy.deepcopy(given)

    found = parameters.problems(SCHEMA, given)

    plain = Draft202012Validator(SCHEMA, format_checker=parameters.FORMATS)
    assert (found == []) == plain.is_valid(given)
    assert given == untouched
    assert all(isinstance(path, str) and message for path, message in found)


@given(st.lists(json_values, max_size=6))
def test_what_is_there_twice_is_found_as_the_library_finds_it(values):
    schema = {"type": "array", "uniqueItems": True}

    assert (parameters.problems(schema, values) == []) == Draft202012Validator(schema).is_valid(values)
