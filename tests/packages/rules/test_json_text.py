"""JSON is read with its lines, and what Python's reader lets pass is refused."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.packages.rules.limits import Limits
from apps.packages.rules.manifests import json_text
from apps.packages.rules.manifests.located import Bare, Malformed
from tests.packages.rules.test_yaml_text import plain


def parsed(text: str | bytes, **limits: int) -> object:
    raw = text.encode() if isinstance(text, str) else text
    return plain(json_text.parse(raw, Limits(**limits)))


def refused(text: str | bytes, **limits: int) -> tuple[str, int | None, int | None]:
    with pytest.raises(Malformed) as refusal:
        parsed(text, **limits)
    return refusal.value.code, refusal.value.line, refusal.value.column


def test_values_keep_their_lines_and_columns():
    root = json_text.parse(b'{\n  "a": [1,\n    "b"]\n}', Limits())

    listed = root.fields["a"]
    assert (listed.line, listed.column) == (2, 8)
    assert (listed.items[1].line, listed.items[1].column) == (3, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ("[]", []),
        (" [ ] ", []),
        ('{"a": "b", "c": [true, false, null]}', {"a": "b", "c": [True, False, None]}),
        ("1.50", Bare("1.50")),
        ("-0", Bare("-0")),
        ('"\\ud83d\\ude00"', "😀"),
        ('\ufeff{"a": 1}', {"a": Bare("1")}),
        ("9" * 5_000, Bare("9" * 5_000)),
    ],
)
def test_values_are_read_as_they_are_meant(text, value):
    assert parsed(text) == value


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "bad_json", 1),
        ("{", "bad_json", 1),
        ("[1,\n]", "bad_json", 2),
        ('{"a": 1,\n}', "bad_json", 2),
        ('{"a" 1}', "bad_json", 1),
        ('{"a": 1 "b": 2}', "bad_json", 1),
        ("[1 2]", "bad_json", 1),
        ("{1: 2}", "bad_json", 1),
        ("{[1]: 2}", "bad_json", 1),
        ("{'a': 1}", "bad_json", 1),
        ('{"a": 1}\n{}', "bad_json", 2),
        ("[NaN]", "bad_json", 1),
        ("[\nInfinity]", "bad_json", 2),
        ('"a\nb"', "bad_json", 1),
        ('{"a": 1,\n "a": 2}', "duplicate_key", 2),
        ('["\\u0000"]', "bad_character", 1),
        ('[1,\n"\\ud800"]', "bad_character", 2),
        ('{"\\u0000": 1}', "bad_character", 1),
        (b'["\xff"]', "not_utf8", 1),
        ("[" * 100_000, "too_complex", 1),
    ],
)
def test_what_is_broken_is_refused_with_its_line(text, code, line):
    assert refused(text)[:2] == (code, line)


def test_a_refusal_tells_the_column():
    assert refused('{"a": 1,\n   b: 2}') == ("bad_json", 2, 4)


def test_too_many_values_are_refused():
    assert refused("[" + "1," * 100 + "1]", manifest_nodes=100)[0] == "too_complex"


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(raw):
    with contextlib.suppress(Malformed):
        parsed(raw)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
values = st.recursive(
    texts | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


@given(values, st.sampled_from([None, 0, 2]), st.booleans())
def test_what_python_writes_is_read_back(value, indent, is_ascii):
    assert parsed(json.dumps(value, indent=indent, ensure_ascii=is_ascii)) == value


@given(st.text(st.sampled_from('{}[]",:0123456789.eE+-truefalsn \n\\'), max_size=12))
def test_only_json_is_accepted_and_all_of_it(text):
    try:
        json.loads(text, parse_constant=lambda name: 1 / 0, object_pairs_hook=distinct)
    except (ValueError, ZeroDivisionError):
        assert refused(text)
    else:
        parsed(text)


def distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)
