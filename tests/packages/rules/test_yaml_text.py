"""YAML is read with its lines, and without what makes it dangerous."""

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apps.packages.rules.limits import Limits
from apps.packages.rules.manifests import yaml_text
from apps.packages.rules.manifests.located import Bare, Located, Malformed


def plain(located: Located) -> object:
    """Return the bare values of a document."""
    match located.value:
        case dict():
            return {name: plain(item) for name, item in located.value.items()}
        case list():
            return [plain(item) for item in located.value]
    return located.value


def parsed(text: str | bytes, **limits: int) -> object:
    raw = text.encode() if isinstance(text, str) else text
    return plain(yaml_text.parse(raw, Limits(**limits)))


def refused(text: str | bytes, **limits: int) -> tuple[str, int | None]:
    """Return code and line of the refusal."""
    with pytest.raises(Malformed) as refusal:
        parsed(text, **limits)
    return refusal.value.code, refusal.value.line


def test_values_keep_their_lines_and_columns():
    root = yaml_text.parse(b"project:\n  name: demo\n  tags:\n    - one\n", Limits())

    project = root.fields["project"]
    assert (project.fields["name"].line, project.fields["name"].column) == (2, 9)
    assert (project.fields["tags"].items[0].line, project.fields["tags"].items[0].column) == (4, 7)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: text", "text"),
        ("a: 'quoted'", "quoted"),
        ('a: "1.0"', "1.0"),
        ("a: 1.0", Bare("1.0")),
        ("a: 3.10", Bare("3.10")),
        ("a: 0x1F", Bare("0x1F")),
        ("a: 2026-01-31", Bare("2026-01-31")),
        ("a: 1.0.0", "1.0.0"),
        ("a: true", True),
        ("a: no", False),
        ("a: ~", None),
        ("a:", None),
        ("a: [x, y]", ["x", "y"]),
        ("a: {b: c}", {"b": "c"}),
        ("a: |\n  two\n  lines\n", "two\nlines\n"),
        ("a: grüße", "grüße"),
        ("a: " + "9" * 5_000, "9" * 5_000),
    ],
)
def test_values_are_read_as_they_are_meant(text, value):
    assert parsed(text) == {"a": value}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeff"])
def test_an_empty_file_is_nothing(text):
    assert parsed(text) is None


def test_a_bomb_of_anchors_is_refused_at_its_first_line():
    bomb = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*a, *a]\n" for new in "bcdefghi")

    assert refused(bomb) == ("yaml_anchor", 1)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\nb: *x\n", "yaml_anchor", 2),
        ("a: &x 1\n", "yaml_anchor", 1),
        ("a:\n  <<: {b: 1}\n", "yaml_anchor", 2),
        ("a: !!python/object/apply:os.system ['true']\n", "yaml_tag", 1),
        ("a: !!str 1\n", "yaml_tag", 1),
        ("a: !mine {b: 1}\n", "yaml_tag", 1),
        ("a: 1\nb: 2\na: 3\n", "duplicate_key", 3),
        ("a:\n  b: 1\n  b: 2\n", "duplicate_key", 3),
        ("1: a\n", "bad_yaml", 1),
        ("[a]: b\n", "bad_yaml", 1),
        ("null: b\n", "bad_yaml", 1),
        ("a: 1\n---\nb: 2\n", "bad_yaml", 2),
        ("a: [1\nb: 2\n", "bad_yaml", 2),
        ("a: b: c\n", "bad_yaml", 1),
        ("a\nb: 1\n", "bad_yaml", 2),
        ("\tx: 1", "bad_yaml", 1),
        ("%YAML 9.9.9\n", "bad_yaml", 1),
        ("a: x\nb: \x01\n", "bad_yaml", 2),
        ("a: x\nb: \0\n", "bad_yaml", 2),
        ('a: x\nb: "\\0"\n', "bad_character", 2),
        ('a: x\nb: "\\ud800"\n', "bad_yaml", 2),
        (b"a: x\nb: \xff\n", "not_utf8", 2),
    ],
)
def test_what_is_dangerous_or_broken_is_refused_with_its_line(text, code, line):
    assert refused(text) == (code, line)


def test_too_many_values_are_refused():
    assert refused("[" + "1," * 100 + "]", manifest_nodes=100)[0] == "too_complex"
    assert refused("k: " + "[" * 30 + "]" * 30, manifest_depth=20)[0] == "too_complex"


@given(st.binary(max_size=300))
def test_random_bytes_are_read_or_refused(raw):
    with contextlib.suppress(Malformed):
        parsed(raw)


# Without controls and line breaks: YAML itself turns some of those into others.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)
documents = st.recursive(
    texts | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


@given(documents)
def test_what_python_writes_is_read_back(document):
    written = yaml.safe_dump(document, allow_unicode=True)

    assert parsed(written) == document
