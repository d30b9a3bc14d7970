"""Sealed texts and the keys that wrap keys."""

from __future__ import annotations

import base64
import secrets

import pytest

from apps.encryption.rules import envelopes
from apps.encryption.rules.envelopes import Unopenable
from apps.encryption.rules.masters import LocalMasterKeys

KEY = secrets.token_bytes(32)


def sealed(plain: bytes = b"hunter2", **how) -> str:
    return envelopes.seal(plain, **{"key": KEY, "name": "k1", "about": "here"} | how)


def encoded(key: bytes = KEY) -> str:
    return base64.b64encode(key).decode()


class TestASealedText:
    def test_opens_with_its_key_where_it_belongs(self):
        assert envelopes.unseal(sealed(), key=KEY, about="here") == b"hunter2"

    def test_names_its_key_and_shows_nothing_else(self):
        text = sealed()

        assert envelopes.key_of(text) == "k1"
        assert "hunter2" not in text

    def test_is_another_one_each_time(self):
        assert sealed() != sealed()

    @pytest.mark.parametrize(
        ("key", "about"), [(KEY, "there"), (secrets.token_bytes(32), "here")], ids=["elsewhere", "by another key"]
    )
    def test_does_not_open_otherwise(self, key, about):
        with pytest.raises(Unopenable):
            envelopes.unseal(sealed(), key=key, about=about)

    @pytest.mark.parametrize("place", [2, 3])
    def test_does_not_open_once_a_bit_of_it_has_changed(self, place):
        parts = sealed().split(":")
        raw = bytearray(base64.b64decode(parts[place]))
        raw[0] ^= 1
        parts[place] = base64.b64encode(raw).decode()

        with pytest.raises(Unopenable):
            envelopes.unseal(":".join(parts), key=KEY, about="here")

    @pytest.mark.parametrize("text", ["", "plain", "v2:k:n:c", "v1:k1:n", "v1:k1:!:!", "v1:k1::"])
    def test_is_nothing_else(self, text):
        with pytest.raises(Unopenable):
            envelopes.unseal(text, key=KEY, about="here")


class TestMasterKeys:
    def test_wrap_with_the_first_and_unwrap_with_all(self):
        older, newer = encoded(secrets.token_bytes(32)), encoded()
        wrapped = LocalMasterKeys([f"old:{older}"]).wrap(b"a key", about="it")

        keys = LocalMasterKeys([f"new:{newer}", f"old:{older}"])

        assert keys.current == "new"
        assert keys.unwrap(wrapped, about="it") == b"a key"
        assert envelopes.key_of(keys.wrap(b"a key", about="it")) == "new"

    def test_say_which_of_them_is_missing(self):
        wrapped = LocalMasterKeys([f"old:{encoded()}"]).wrap(b"a key", about="it")

        with pytest.raises(Unopenable, match="old"):
            LocalMasterKeys([f"new:{encoded(secrets.token_bytes(32))}"]).unwrap(wrapped, about="it")

    @pytest.mark.parametrize(
        ("texts", "says"),
        [
            ([], "there is no key"),
            ([encoded()], "has no name"),
            ([f"a:{encoded(b'short')}"], "32 random bytes"),
            ([f"a:{encoded(b'x' * 32)}"], "32 random bytes"),
            (["a:no base64!"], "32 random bytes"),
            ([f"a:{encoded()}", f"a:{encoded()}"], "two keys are named a"),
        ],
    )
    def test_are_refused_without_being_shown(self, texts, says):
        with pytest.raises(ValueError, match=says) as refused:
            LocalMasterKeys(texts)

        assert encoded() not in str(refused.value)
