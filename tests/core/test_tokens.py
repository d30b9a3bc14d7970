"""Credentials: how they look, how they are kept, when they are good."""

from __future__ import annotations

import string
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import ApiToken
from apps.core import masking, tokens
from apps.robots.models import RobotToken
from tests import make

BASE_62 = set(string.ascii_letters + string.digits)


def test_a_token_says_what_it_is_and_ends_in_a_checksum():
    text = str(tokens.generate("u"))

    prefix, public, tail = text.split("_")
    assert prefix == "bvu"
    assert (len(public), len(tail)) == (10, 49)
    assert set(public + tail) <= BASE_62
    assert tail[-6:] == tokens.checksum(text[:-6])


def test_the_secret_has_256_bits():
    assert 62**tokens.SECRET_LENGTH > 2**256


def test_no_two_are_the_same():
    assert len({str(tokens.generate("r")) for _ in range(1000)}) == 1000


def test_its_parts_are_found_again():
    plain = tokens.generate("m")

    assert tokens.parse(str(plain)) == plain


def test_the_secret_shows_in_no_trace_of_the_program():
    plain = tokens.generate("u")

    assert plain.secret not in repr(plain)
    assert repr(plain) == f"<token bvu_{plain.public}>"


def test_the_longest_token_is_as_long_as_masking_believes():
    assert len(str(tokens.generate("u"))) == masking.LONGEST_TOKEN


@given(place=st.integers(0, masking.LONGEST_TOKEN - 1), other=st.sampled_from(sorted(BASE_62 | set("_-. é\0"))))
def test_one_wrong_character_is_noticed_without_a_look_at_the_database(place, other):
    text = str(tokens.generate("u"))
    wrong = text[:place] + other + text[place + 1 :]

    assert (tokens.parse(wrong) is None) == (wrong != text)


@pytest.mark.parametrize(
    "text",
    ["", "_", "__", "bv", "bvu_", "bvu__", "Bearer x", "bvu_" + "0" * 60, "💥" * 64, "bvu_1_2_3", "xyz" + "0" * 61],
)
def test_what_is_no_token_is_none(text):
    assert tokens.parse(text) is None


@given(st.text(max_size=80))
def test_no_text_at_all_breaks_the_reader(text):
    assert tokens.parse(text) is None


def test_a_derived_token_is_the_same_each_time_and_another_for_each_purpose_and_key():
    first = tokens.derive("r", "key", "robot:1")

    assert tokens.derive("r", "key", "robot:1") == first
    assert tokens.parse(str(first)) == first
    assert tokens.derive("r", "key", "robot:2").secret != first.secret
    assert tokens.derive("r", "other", "robot:1").secret != first.secret


def test_what_is_kept_is_a_keyed_hash():
    plain = tokens.generate("u")

    assert plain.digest("one") == plain.digest("one")
    assert plain.digest("one") != plain.digest("two")
    assert plain.secret not in plain.digest("one")
    assert len(plain.digest("one")) == 64


@pytest.mark.django_db
class TestRows:
    @pytest.fixture
    def text(self):
        return make.api_key(make.user(), make.tenant())

    def test_the_text_finds_its_row(self, text):
        assert ApiToken.matching(text) == ApiToken.objects.get()

    def test_the_database_does_not_hold_the_secret(self, text):
        plain = tokens.parse(text)
        row = ApiToken.objects.values().get()

        assert plain.secret not in str(row)
        assert row["public"] == plain.public

    def test_another_secret_with_the_same_public_part_is_refused(self, text):
        plain = tokens.parse(text)
        forged = tokens.PlainToken("u", plain.public, tokens.generate("u").secret)

        assert ApiToken.matching(str(forged)) is None

    def test_a_token_of_another_kind_is_refused_whatever_its_parts(self, text):
        plain = tokens.parse(text)

        assert RobotToken.matching(text) is None
        assert ApiToken.matching(str(tokens.PlainToken("r", plain.public, plain.secret))) is None

    def test_nonsense_asks_the_database_nothing(self, text, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert ApiToken.matching(text[:-1] + "!") is None

    @pytest.mark.parametrize("moment", ["expires_at", "revoked_at"])
    def test_from_its_end_on_it_is_refused(self, text, moment):
        ApiToken.objects.update(**{moment: timezone.now() - timedelta(seconds=1)})

        assert ApiToken.matching(text) is None
        assert not ApiToken.objects.filter(ApiToken.live()).exists()

    def test_until_its_end_it_is_good(self, text):
        ApiToken.objects.update(expires_at=Now() + timedelta(minutes=1))

        assert ApiToken.matching(text) is not None
        assert ApiToken.objects.filter(ApiToken.live()).exists()

    def test_without_an_end_it_is_good(self, text):
        ApiToken.objects.update(expires_at=None)

        assert ApiToken.matching(text) is not None

    def test_with_another_pepper_no_token_is_good(self, text, settings):
        settings.TOKEN_PEPPER = "another"

        assert ApiToken.matching(text) is None

    def test_while_a_pepper_is_replaced_the_old_one_still_counts(self, text, settings):
        settings.TOKEN_PEPPER, settings.TOKEN_PEPPER_FALLBACKS = "another", [settings.TOKEN_PEPPER]

        assert ApiToken.matching(text) is not None

    def test_what_is_shown_of_it_is_not_enough_to_use_it(self, text):
        shown = ApiToken.objects.get().shown_as

        assert text.startswith(shown.removesuffix("…"))
        assert tokens.parse(shown) is None
