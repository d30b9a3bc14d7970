"""What a setting is, and what a group of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.conf import settings

from apps.core.errors import Problem

#: What is read in the place of a secret that is set; sent back, it keeps the secret.
MASK: Final = "********"
LONGEST_TEXT: Final = 500


class ValueType(StrEnum):
    """What a value is."""

    STRING = "string"
    INTEGER = "int"
    BOOLEAN = "bool"
    JSON = "json"


_PYTHON: Final[dict[ValueType, type]] = {
    ValueType.STRING: str,
    ValueType.INTEGER: int,
    ValueType.BOOLEAN: bool,
    ValueType.JSON: object,
}
_IN_WORDS: Final = {
    ValueType.STRING: "text",
    ValueType.INTEGER: "a whole number",
    ValueType.BOOLEAN: "true or false",
    ValueType.JSON: "any JSON",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One setting. ``low`` and ``high`` bound a number; a tenant may have its own value where ``per_tenant``.

    ``environment`` names what the installation's environment says in the place of ``default``. ``check`` says what
    else is wrong with a value of the right type. A ``secret`` is stored sealed, and read as ``MASK``.
    """

    key: str
    title: str
    says: str
    type: ValueType
    default: Any = None
    environment: str = ""
    low: int | None = None
    high: int | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    check: Callable[[Any], str] | None = None
    secret: bool = False
    per_tenant: bool = False

    @property
    def fallback(self) -> Any:
        """What holds while nobody has set it."""
        return getattr(settings, self.environment) if self.environment else self.default

    def problem_of(self, value: Any) -> str:
        """Say what is wrong with a value; nothing if it is fit."""
        # True is an integer to Python, and to nobody else.
        if not isinstance(value, _PYTHON[self.type]) or (self.type is ValueType.INTEGER and isinstance(value, bool)):
            return f"This is {_IN_WORDS[self.type]}."
        if self._is_out_of_bounds(value):
            return f"This is a number from {self.low} to {self.high}."
        if isinstance(value, str) and (len(value) > LONGEST_TEXT or not value.isprintable()):
            return f"This is one line of at most {LONGEST_TEXT} characters."
        if self.choices and value not in self.choices:
            return f"This is one of: {', '.join(self.choices)}."
        return self.check(value) if self.check is not None else ""

    def _is_out_of_bounds(self, value: Any) -> bool:
        return (self.low is not None and value < self.low) or (self.high is not None and value > self.high)


def _nothing_told(_: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _nothing_wrong(_: Mapping[str, Any]) -> Iterator[Problem]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that belong together.

    ``tell`` adds to what holds what follows from it; what it adds under names of its own, ``told``, is read only.
    ``clashes`` says which values do not go together.
    """

    name: str
    title: str
    says: str
    settings: tuple[Known, ...]
    told: tuple[str, ...] = ()
    tell: Callable[[Mapping[str, Any]], dict[str, Any]] = _nothing_told
    clashes: Callable[[Mapping[str, Any]], Iterator[Problem]] = _nothing_wrong
    icon: str = "tune"
    is_told_to_tenants: bool = True

    @property
    def is_for_tenants(self) -> bool:
        """Whether a tenant may have a value of its own of anything here."""
        return any(one.per_tenant for one in self.settings)

    def find(self, key: str) -> Known | None:
        """Return the setting of this key."""
        return next((one for one in self.settings if one.key == key), None)

    @property
    def keys(self) -> list[str]:
        """The keys of its settings, in the order in which they are shown."""
        return [one.key for one in self.settings]

    @property
    def secrets(self) -> list[str]:
        """The keys of those that are kept sealed."""
        return [one.key for one in self.settings if one.secret]


def name_of(group: str, key: str) -> str:
    """Return what a setting is called where its group is not known from elsewhere."""
    return f"{group}.{key}"


def integer(key: str, title: str, says: str, default: int | None, low: int, high: int, **facts: Any) -> Known:
    """Return a setting that is a whole number."""
    return Known(key=key, title=title, says=says, type=ValueType.INTEGER, default=default, low=low, high=high, **facts)


def switch(key: str, title: str, says: str, default: bool = False) -> Known:
    """Return a setting that is on or off."""
    return Known(key=key, title=title, says=says, type=ValueType.BOOLEAN, default=default)


def text(key: str, title: str, says: str, default: str = "", **facts: Any) -> Known:
    """Return a setting that is a line of text."""
    return Known(key=key, title=title, says=says, type=ValueType.STRING, default=default, **facts)
