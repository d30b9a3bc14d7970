"""What assets may hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from apps.core.errors import Invalid, Problem
from apps.core.schemas import schema_validator

LONGEST_VALUE: Final = 64 * 1024
"""Bytes of a value, and of all secret fields of a credential together."""
LONGEST_NAME: Final = 100
MOST_FIELDS: Final = 50
"""Fields of a credential of a kind of one's own."""
SMALLEST, LARGEST = -(2**63), 2**63 - 1
MASK: Final = "It"
"""Stands for a value in what a schema says about it."""


class AssetType(StrEnum):
    """What kind of value an asset has. The last two are sealed."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    JSON = "json"
    SECRET = "secret"
    CREDENTIAL = "credential"

    @property
    def is_secret(self) -> bool:
        return self in (AssetType.SECRET, AssetType.CREDENTIAL)


@dataclass(frozen=True, slots=True)
class Fields:
    """What a kind of credential consists of. ``open``: whatever its owner says."""

    public: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    is_open: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        return self.public + self.secret


class CredentialKind(StrEnum):
    PASSWORD = "password"
    API_KEY = "api_key"
    OAUTH2 = "oauth2"
    DATABASE = "database"
    PRIVATE_KEY = "private_key"
    CUSTOM = "custom"

    @property
    def fields(self) -> Fields:
        return _FIELDS[self]


_FIELDS: Final = {
    CredentialKind.PASSWORD: Fields(public=("username",), secret=("password",)),
    CredentialKind.API_KEY: Fields(secret=("api_key",)),
    CredentialKind.OAUTH2: Fields(
        public=("token_url", "client_id", "scope"), secret=("client_secret",), optional=("scope",)
    ),
    CredentialKind.DATABASE: Fields(
        public=("host", "port", "database", "username"), secret=("password",), optional=("port", "database")
    ),
    CredentialKind.PRIVATE_KEY: Fields(
        public=("username",), secret=("private_key", "passphrase"), optional=("username", "passphrase")
    ),
    CredentialKind.CUSTOM: Fields(is_open=True),
}


def fields_of(kind: str, schema: Mapping[str, Any] | None) -> Fields:
    """Return what a credential consists of: as its kind says, or the schema of one of a kind of one's own."""
    if schema is None:
        return CredentialKind(kind).fields
    named: Mapping[str, Any] = schema["properties"]
    hidden = {name for name, one in named.items() if one.get("writeOnly") is True}
    return Fields(
        public=tuple(name for name in named if name not in hidden),
        secret=tuple(name for name in named if name in hidden),
        optional=tuple(name for name in named if name not in schema.get("required", [])),
    )


def is_path(text: str) -> bool:
    """Say whether a text names a place in a store of others, and none outside of where it is put below."""
    parts = text.split("/")
    return text.isprintable() and all(part.strip() and part not in (".", "..") for part in parts)


def refuse_unfit_schema(schema: Any) -> None:
    """Raise ``Invalid`` unless a schema names the fields of a credential; those with ``writeOnly`` are sealed."""
    if not isinstance(schema, Mapping) or len(json.dumps(schema).encode()) > LONGEST_VALUE:
        raise Invalid.field("schema", f"must be an object of at most {LONGEST_VALUE} bytes.")
    schema_validator(schema)
    named = schema.get("properties")
    if not isinstance(named, Mapping) or not 0 < len(named) <= MOST_FIELDS:
        raise Invalid.field("schema", f"must name 1 to {MOST_FIELDS} fields in `properties`.")
    if any(not isinstance(one, Mapping) or one.get("type") != "string" for one in named.values()):
        raise Invalid.field("schema", 'must say of every field `"type": "string"`: credentials consist of texts.')
    if unnamed := set(schema.get("required", [])) - set(named):
        raise Invalid.field("schema", f"requires what `properties` does not name: {', '.join(sorted(unnamed))}.")


def problems_of(
    type_: AssetType, kind: str, value: Any, secrets: Mapping[str, Any] | None, *, schema: Any = None
) -> list[Problem]:
    """Return what is wrong with a value: ``value`` is what may be seen of it, ``secrets`` what is to be sealed.

    A secret has one field, ``value``. ``schema`` is that of a credential of a kind of one's own, if it has one.
    """
    if type_ is AssetType.CREDENTIAL:
        found = _credential_problems(fields_of(kind, schema), value, secrets or {})
        return found or _schema_problems(schema, {**value, **(secrets or {})})
    if type_ is AssetType.SECRET:
        if value is not None:
            return [Problem("value", "a secret shows nothing.")]
        if set(secrets or {}) - {"value"}:
            return [Problem("secrets", "a secret has one field, “value”.")]
        return _text_problems("value", (secrets or {}).get("value"), smallest=1)
    return _plain_problems(type_, value)


def _schema_problems(schema: Any, fields: Mapping[str, str]) -> list[Problem]:
    if schema is None:
        return []
    errors = schema_validator(schema, mask=MASK).iter_errors(dict(fields))
    return [Problem(".".join(map(str, one.instance_path)) or "value", one.message, "schema") for one in errors]


def _plain_problems(type_: AssetType, value: Any) -> list[Problem]:
    match type_:
        case AssetType.TEXT:
            return _text_problems("value", value)
        case AssetType.INTEGER:
            if isinstance(value, bool) or not isinstance(value, int) or not SMALLEST <= value <= LARGEST:
                return [Problem("value", "must be a whole number of at most 64 bits.")]
        case AssetType.BOOLEAN:
            if not isinstance(value, bool):
                return [Problem("value", "must be true or false.")]
        case _:
            if len(json.dumps(value).encode()) > LONGEST_VALUE:
                return [Problem("value", f"has more than {LONGEST_VALUE} bytes.")]
    return []


def _credential_problems(fields: Fields, value: Any, secrets: Mapping[str, Any]) -> list[Problem]:
    if not isinstance(value, Mapping):
        return [Problem("value", "must be an object with the fields that are no secret.")]
    problems = [problem for name, text in {**value, **secrets}.items() for problem in _text_problems(name, text)]
    if len(value) + len(secrets) > MOST_FIELDS:
        problems.append(Problem("value", f"has more than {MOST_FIELDS} fields."))
    if both := set(value) & set(secrets):
        problems += [Problem(name, "is named as a secret and as none.") for name in sorted(both)]
    return problems if fields.is_open else problems + _unfit_fields(fields, value, secrets)


def _unfit_fields(fields: Fields, value: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[Problem]:
    misplaced = [*sorted(set(value) - set(fields.public)), *sorted(set(secrets) - set(fields.secret))]
    problems = [Problem(name, _where_to(name, fields)) for name in misplaced]
    needed = [name for name in fields.known if name not in fields.optional]
    return problems + [Problem(name, "is needed.") for name in needed if not {**value, **secrets}.get(name)]


def _where_to(name: str, fields: Fields) -> str:
    if name in fields.known:
        return f"belongs into `{'secrets' if name in fields.secret else 'value'}`."
    return f"is no field here. There is: {', '.join(fields.known)}."


def _text_problems(name: str, text: Any, *, smallest: int = 0) -> list[Problem]:
    if not isinstance(text, str) or len(text) < smallest:
        return [Problem(name, "must be a text." if not smallest else "must be a text that is not empty.")]
    if len(text.encode()) > LONGEST_VALUE:
        return [Problem(name, f"has more than {LONGEST_VALUE} bytes.")]
    return []
