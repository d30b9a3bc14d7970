"""Pure facts about machines and robots."""

import hashlib

import pytest

from apps.robots import rules


def test_a_hash_is_taken_as_it_is():
    assert rules.normalise_signature("AB" * 32) == "ab" * 32


@pytest.mark.parametrize("signature", ["Host A", "  host   a ", "HOST\tA"])
def test_other_signatures_are_folded_and_hashed(signature):
    assert rules.normalise_signature(signature) == hashlib.sha256(b"host a").hexdigest()


def test_labels_are_lower_case_sorted_and_each_once():
    assert rules.normalise_labels([" B", "a", "b", ""]) == ["a", "b"]


@pytest.mark.parametrize("label", ["two words", "ä", "-x", "x" * 64, "A"])
def test_wrong_labels_are_named(label):
    assert rules.wrong_labels(["ok", "a.b_c:d/e=f-1", label]) == [label]


@pytest.mark.parametrize(
    ("version", "numbers"), [("1.4.0", [1, 4, 0]), ("2.0rc1", [2, 0]), ("3", [3]), ("dev", []), ("", [])]
)
def test_versions_compare_by_their_numbers(version, numbers):
    assert rules.version_numbers(version) == numbers
