"""Our credentials in any text: hidden, and nothing else touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import masking, tokens


@pytest.mark.parametrize("kind", ["u", "r", "m", "j"])
def test_a_token_is_hidden_but_for_its_kind(kind):
    text = str(tokens.generate(kind))

    assert masking.mask_tokens(f"key={text};".encode()) == f"key=bv{kind}_{'*' * 60};".encode()


def test_a_derived_token_is_hidden_as_well():
    text = str(tokens.derive("r", "key", "robot:1"))

    assert masking.mask_tokens(text.encode()) == b"bvr_" + b"*" * 60


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_length_never_changes_and_the_token_is_gone(before, after):
    text = str(tokens.generate("u")).encode()

    masked = masking.mask_tokens(before + text + after)

    assert len(masked) == len(before + text + after)
    assert text not in masked
    assert masked.startswith(before)
    assert masked.endswith(after)


def test_tokens_side_by_side_are_all_hidden():
    one, other = str(tokens.generate("u")), str(tokens.generate("r"))

    masked = masking.mask_tokens((one + other).encode())

    assert masked == b"bvu_" + b"*" * 60 + b"bvr_" + b"*" * 60


def test_masking_twice_is_masking_once():
    once = masking.mask_tokens(str(tokens.generate("u")).encode())

    assert masking.mask_tokens(once) == once


@pytest.mark.parametrize(
    "text", ["", "bv", "bvu_", "bvu_0123456789_too-short", "BVU_" + "0" * 60, "an ordinary line of a log: 100 %"]
)
def test_what_is_no_token_stays_as_it_is(text):
    assert masking.mask_tokens(text.encode()) == text.encode()


def test_text_that_is_no_valid_unicode_passes_through():
    text = str(tokens.generate("u"))

    assert masking.mask_tokens_in_text(f"é\ud800{text}💥") == f"é\ud800bvu_{'*' * 60}💥"
