"""Master keys, which wrap the data keys and never touch the database."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Protocol

from apps.encryption.rules import envelopes

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class MasterKeys(Protocol):
    """Who wraps data keys: the keys of this environment, or a service that never gives its own away."""

    @property
    def current(self) -> str:
        """The name of the key that wraps from now on."""

    def wrap(self, key: bytes, *, about: str) -> str:
        """Return a data key as a text that is safe to store."""

    def unwrap(self, text: str, *, about: str) -> bytes:
        """Return the data key. Raises ``Unopenable``."""


class LocalMasterKeys:
    """Master keys out of the environment or a file: the first wraps, all of them unwrap."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Read ``name:base64`` for each key. Raises ``ValueError``, which never has a key in it."""
        self._keys: dict[str, bytes] = {}
        for number, text in enumerate(texts, start=1):
            name, _, encoded = text.strip().partition(":")
            if not _NAME.fullmatch(name):
                raise ValueError(f"key {number} has no name; write name:key, the name of letters and digits")
            if name in self._keys:
                raise ValueError(f"two keys are named {name}")
            self._keys[name] = _decoded(name, encoded)
        if not self._keys:
            raise ValueError("there is no key")

    @property
    def current(self) -> str:
        return next(iter(self._keys))

    def wrap(self, key: bytes, *, about: str) -> str:
        return envelopes.seal(key, key=self._keys[self.current], name=self.current, about=about)

    def unwrap(self, text: str, *, about: str) -> bytes:
        name = envelopes.key_of(text)
        if name not in self._keys:
            raise envelopes.Unopenable(f"The master key “{name}” is not there.")
        return envelopes.unseal(text, key=self._keys[name], about=about)


def _decoded(name: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != envelopes.KEY_BYTES or len(set(key)) < 8:
        raise ValueError(f"key {name} must be 32 random bytes in base64, as from `openssl rand -base64 32`")
    return key
