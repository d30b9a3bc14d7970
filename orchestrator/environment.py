"""Settings by environment: the value itself, or in ``NAME_FILE`` the name of a file that holds it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from apps.core.edge import addresses, rates

_CONTACT = re.compile(r"(?:mailto:[!-~]+@[!-~]+|https://[!-~]+)")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::\d{1,5})?")


class Environment(environ.Env):  # type: ignore[misc]  # the library has no types
    """The environment as it stands: an empty value counts as none, and every mistake names its setting.

    Unlike the library's, it takes a value as it is: a key that begins with ``$`` is no reference to another setting,
    and the line break at the end of a file is no part of the secret in it.
    """

    def get_value(
        self,
        var: str,
        cast: Callable[[str], Any] | None = None,
        default: Any = environ.Env.NOTSET,
        parse_default: bool = False,
    ) -> Any:
        """Return a setting, or ``default`` where none is given. Raises ``ImproperlyConfigured``."""
        text = given(var)
        if not text:
            if default is self.NOTSET:
                raise ImproperlyConfigured(f"{var} is not set. Set {var}, or {var}_FILE to a file that holds it.")
            return default
        try:
            return _split(text) if cast is list else self.parse_value(text, cast)
        except ValueError as error:
            kind = getattr(cast, "__name__", "setting")
            raise ImproperlyConfigured(f"{var} cannot be read as {kind}. Correct it, or leave it out.") from error

    def choice(self, var: str, *, among: Sequence[str], default: str) -> str:
        """Return a setting that is one of a few words, whatever its case. Raises ``ImproperlyConfigured``."""
        word = str(self.str(var, default=default))
        found = next((known for known in among if known.lower() == word.lower()), None)
        if found is None:
            raise ImproperlyConfigured(f"{var} is {word!r}; it must be one of {', '.join(among)}.")
        return found

    def days(self, var: str) -> int | None:
        """Return a setting that is a number of days, or ``None`` without it. Raises ``ImproperlyConfigured``."""
        days: int | None = self.int(var, default=None)
        if days is not None and not 1 <= days <= 3650:
            raise ImproperlyConfigured(f"{var} is {days}; it must be between 1 and 3650 days, or left out.")
        return days

    def hosts(self, var: str, *, default: Sequence[str]) -> list[str]:
        """Return a setting that lists names of hosts, of which none stands for all. Raises ``ImproperlyConfigured``."""
        hosts: list[str] = self.list(var, default=list(default))
        if odd := [host for host in hosts if "*" in host or "/" in host]:
            raise ImproperlyConfigured(
                f"{var} holds {odd[0]!r}, which is no name of a host. Write each by itself, such as bv.example.com."
            )
        return hosts

    def contact(self, var: str) -> str:
        """Return a setting that says where somebody is reached, or nothing. Raises ``ImproperlyConfigured``."""
        address = str(self.str(var, default=""))
        if address and not _CONTACT.fullmatch(address):
            raise ImproperlyConfigured(f"{var} is {address!r}; write mailto:security@example.com or https://….")
        return address

    def origins(self, var: str, *, default: Sequence[str]) -> list[str]:
        """Return a setting that lists origins of pages, all by name. Raises ``ImproperlyConfigured``."""
        origins: list[str] = self.list(var, default=list(default))
        if odd := [origin for origin in origins if not _ORIGIN.fullmatch(origin)]:
            raise ImproperlyConfigured(
                f"{var} holds {odd[0]!r}. Write origins such as https://app.example.com, in full."
            )
        return origins

    def networks(self, var: str, *, default: Sequence[str], but_not_all: bool = False) -> list[str]:
        """Return a setting that lists networks or addresses, where asked none that holds every address.

        Raises ``ImproperlyConfigured``.
        """
        networks: list[str] = self.list(var, default=list(default))
        try:
            known = addresses.parse_networks(tuple(networks))
        except ValueError as error:
            raise ImproperlyConfigured(f"{var}: {error}. Write networks such as 10.0.0.0/8.") from error
        if but_not_all and any(network.prefixlen == 0 for network in known):
            raise ImproperlyConfigured(f"{var} holds every address there is. Name the networks that are meant.")
        return networks

    def rate_limits(self, var: str, *, default: str) -> str:
        """Return a setting that gives kinds of calls other limits, or is ``off``. Raises ``ImproperlyConfigured``."""
        text = str(self.str(var, default=default))
        try:
            rates.read_table(text)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var}: {error}.") from error
        return text


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def given(setting: str) -> str:
    """Return what the environment says, or nothing. Raises ``ImproperlyConfigured`` where a file cannot be read."""
    file = os.environ.get(f"{setting}_FILE")
    if not file:
        return os.environ.get(setting, "")
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{setting}_FILE names {file}, which cannot be read: {error}.") from error
