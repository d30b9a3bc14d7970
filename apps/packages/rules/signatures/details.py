"""What is said about a type beside the type: `Annotated[int, Ge(1)]`, `Field(ge=1, description=…)`, `field(default=…)`.

A pattern is passed on as `x-pattern`, for people and forms, and is never enforced here: a regular expression of a
stranger can be made to run for years on a short text. What a package's own code checks, it goes on checking.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.packages.rules.signatures.known import Schema
from apps.packages.rules.signatures.library import dotted
from apps.packages.rules.signatures.literals import (
    NONE_GIVEN,
    NOT_SHOWN,
    Default,
    literal,
    number,
    shown_default,
    storable,
    text,
)

MOST_ARGUMENTS = 50

_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_POSITIONAL = {
    "Ge": ("ge",),
    "Gt": ("gt",),
    "Le": ("le",),
    "Lt": ("lt",),
    "Interval": (),
    "MultipleOf": ("multiple_of",),
    "Len": ("min_length", "max_length"),
    "MinLen": ("min_length",),
    "MaxLen": ("max_length",),
    "StringConstraints": (),
    "Meta": (),
    "Doc": ("description",),
    "doc": ("description",),
    "Field": ("default",),
    "field": (),
    "ib": ("default",),
    "Factory": ("default_factory",),
}
_EMPTY: dict[str, Callable[[], Any]] = {"list": list, "dict": dict, "set": list, "tuple": list, "str": str, "int": int}


@dataclass(slots=True)
class Details:
    """What one piece of metadata says. `alias` is the name under which a value comes in, where it is another."""

    title: str = ""
    description: str = ""
    alias: str = ""
    pattern: str = ""
    bounds: dict[str, int | float] = field(default_factory=dict)
    shortest: int | None = None
    longest: int | None = None
    default: Default = NONE_GIVEN
    is_input: bool = True


def is_field(expression: ast.expr | None) -> bool:
    """Whether a default is a call such as `Field(…)` or `field(…)`, which says more than a value."""
    return isinstance(expression, ast.Call) and _called(expression) in {"Field", "field", "ib"}


def read(expression: ast.expr) -> Details:
    """Return what a piece of metadata says; what is not known says nothing."""
    details = Details()
    if isinstance(expression, ast.Constant):
        details.description = text(expression) or ""
    if isinstance(expression, ast.Call) and (name := _called(expression)) in _POSITIONAL:
        for key, value in _arguments(expression, _POSITIONAL[name]):
            _take(details, key, value)
    return details


def _called(call: ast.Call) -> str:
    return next(reversed(dotted(call.func)), "")


def _arguments(call: ast.Call, positional: tuple[str, ...]) -> list[tuple[str, ast.expr]]:
    by_place = zip(positional, call.args, strict=False)
    by_name = ((keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg)
    return [*by_place, *by_name][:MOST_ARGUMENTS]


def _take(details: Details, key: str, value: ast.expr) -> None:
    match key:
        case "ge" | "gt" | "le" | "lt" | "multiple_of":
            _take_bound(details, key, number(value))
        case "min_length" | "min_items":
            details.shortest = _length(value)
        case "max_length" | "max_items":
            details.longest = _length(value)
        case "title":
            details.title = storable(text(value) or "")
        case "description" | "documentation":
            details.description = storable(text(value) or "")
        case "alias" | "validation_alias":
            details.alias = storable(text(value) or "")
        case "pattern" | "regex":
            details.pattern = storable(text(value) or "")
        case "default":
            details.default = NONE_GIVEN if _is_ellipsis(value) else literal(value)
        case "default_factory" | "factory":
            details.default = _made(value)
        case "init":
            details.is_input = literal(value).value is not False


def _take_bound(details: Details, key: str, value: int | float | None) -> None:
    if key == "multiple_of":
        if value is not None and value > 0:
            details.bounds["multipleOf"] = value
    elif value is not None:
        details.bounds[_BOUNDS[key]] = value


def _length(value: ast.expr) -> int | None:
    found = number(value)
    return found if isinstance(found, int) and found >= 0 else None


def _is_ellipsis(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is Ellipsis


def _made(factory: ast.expr) -> Default:
    make = _EMPTY.get(factory.id) if isinstance(factory, ast.Name) else None
    return shown_default(make()) if make else NOT_SHOWN


def applied(schema: Schema, details: Details) -> Schema:
    """Return `schema` with everything in `details` but the default."""
    schema = {**schema, **details.bounds}
    for kind in _types(schema) or set(_LENGTHS):
        for keyword, length in zip(_LENGTHS.get(kind, ()), (details.shortest, details.longest), strict=False):
            if length is not None:
                schema[keyword] = length
    said = {"title": details.title, "description": details.description, "x-pattern": details.pattern}
    return {**schema, **{key: value for key, value in said.items() if value}}


def _types(schema: Schema) -> set[str]:
    """Return the JSON types that a schema lets through, or nothing where it does not say."""
    if isinstance(schema.get("type"), str):
        return {schema["type"]}
    return {kind for branch in schema.get("anyOf", ()) for kind in _types(branch)}
