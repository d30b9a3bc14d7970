"""``docs/security.md`` names tests that are there, and every requirement of the first two levels once."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
TEXT = (CHECKOUT / "docs/security.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+) \|$", TEXT, re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/.]+)(?:::(\w+))?`")
#: How many requirements each chapter has on its first two levels.
OF_CHAPTERS = [27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7]


def test_every_requirement_has_its_row():
    asked = [tuple(map(int, number.split("."))) for number, _, _ in ROWS]

    assert asked == sorted(set(asked))
    assert [sum(one[0] == chapter for one in asked) for chapter in range(1, 18)] == OF_CHAPTERS


def test_every_test_that_is_named_is_there():
    named = NAMED.findall(TEXT)
    missing = [
        f"{place}::{name}"
        for place, name in named
        if not (CHECKOUT / place).exists()
        or (name and not re.search(rf"def {name}\b", (CHECKOUT / place).read_text(encoding="utf-8")))
    ]

    assert len(named) > 100
    assert missing == []


def test_nothing_is_left_unsaid():
    assert [number for number, asks, met in ROWS if not asks.strip() or not met.strip()] == []
