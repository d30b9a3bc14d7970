"""What an entrypoint takes and returns, in plain data."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from apps.packages.rules.signatures.known import Schema
from apps.packages.rules.signatures.literals import Default

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Passing(StrEnum):
    """How a parameter is passed. Existing clients know all but `POSITIONAL_ONLY`."""

    POSITIONAL_ONLY = "positional_only"
    POSITIONAL = "positional"
    KEYWORD_ONLY = "keyword_only"
    VARARGS = "varargs"
    VARKW = "varkw"


COLLECTED = frozenset({Passing.VARARGS, Passing.VARKW})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as its author wrote it. `annotation` is its text, empty without one."""

    name: str
    annotation: str
    passing: Passing
    default: Default
    schema: Schema

    @property
    def is_required(self) -> bool:
        return not self.default.exists and self.passing not in COLLECTED

    def as_wire(self) -> dict[str, Any]:
        """Return the parameter as existing clients read it."""
        passing = Passing.POSITIONAL if self.passing is Passing.POSITIONAL_ONLY else self.passing
        return {
            "name": self.name,
            "annotation": self.annotation or None,
            "type": self.passing.value if self.passing in COLLECTED else wire_type(self.schema),
            "required": self.is_required,
            "default": self.default.value if self.default.is_shown else None,
            "kind": passing.value,
        }


@dataclass(frozen=True, slots=True)
class Signature:
    """What an entrypoint takes and returns.

    `input_schema` is what the parameters of a job must fit: an object, one property a parameter. Nothing can be given
    to `*args`, as parameters come by name; `**kwargs` lets further names in. Beside the words of JSON Schema it has
    `x-order` (names in the order of the source), `x-default-hidden` (there is a default, but only running code knows
    it), `x-names` (names of the values of an enumeration) and `x-pattern` (a regular expression that is shown, not
    enforced). `output_schema` is `None` where nothing is said of the result. `is_known` is false for scripts and for
    what could not be followed: those take anything.
    """

    parameters: tuple[Parameter, ...] = ()
    input_schema: Schema = field(default_factory=lambda: {"$schema": DIALECT, "type": "object"})
    output_schema: Schema | None = None
    description: str = ""
    is_async: bool = False
    is_known: bool = False
    file: str = ""
    line: int | None = None

    def as_wire(self) -> dict[str, list[dict[str, Any]]]:
        """Return the parameters in the shape that existing clients read."""
        return {"parameters": [parameter.as_wire() for parameter in self.parameters]}


_WIRE_TYPES = {
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
    "string": "string",
}


def wire_type(schema: Schema) -> str:
    """Return the one word that existing clients have for a type; `any` where none fits."""
    if "enum" in schema:
        return "string" if all(isinstance(value, str) for value in schema["enum"]) else "any"
    kinds = {branch.get("type", "any") for branch in schema.get("anyOf", [schema])} - {"null"}
    return _WIRE_TYPES.get(kinds.pop(), "any") if len(kinds) == 1 else "any"
