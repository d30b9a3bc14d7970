"""Drawing a form out of an entrypoint's JSON Schema, and reading parameters back out of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from django import forms

from apps.core.admin.forms import DayInput, MomentInput
from apps.core.admin.typed_json import JsonObject, JsonText
from apps.core.api import strict_json
from apps.packages.rules.parameters import FORMAT_EXAMPLES

PREFIX: Final = "parameters"
#: Objects within objects are drawn so deep; what lies deeper is typed as JSON.
DEEPEST: Final = 2
_NOTHING: Final = object()
#: Beyond these a robot may not read the number that somebody typed.
_EXACT_INTEGERS: Final = {"min_value": -strict_json.INTEGER_LIMIT, "max_value": strict_json.INTEGER_LIMIT}
Schema = Mapping[str, Any]


@dataclass(slots=True)
class Drawn:
    """One control: the path of the value it stands for, and how what it holds becomes that value."""

    path: tuple[str, ...]
    control: forms.Field
    #: The default that takes effect where nothing is given; ``_NOTHING`` where there is none.
    default: Any = _NOTHING
    is_text: bool = False
    values: list[Any] = field(default_factory=list)
    prefix: str = PREFIX

    @property
    def name(self) -> str:
        """The name of its field, which is also how problems with it are called."""
        return ".".join((self.prefix, *self.path))

    def value(self, given: Any) -> Any:
        """Return the parameter for what was given, or ``_NOTHING`` where it is left to the default."""
        if self.values:
            return self.values[int(given)] if given else _NOTHING
        if given is None or given == "":
            # Somebody emptied a text that would otherwise be filled: that is an answer, not the lack of one.
            return "" if self.is_text and isinstance(self.default, str) and self.default else _NOTHING
        if isinstance(given, datetime):
            return given.isoformat()
        return given.isoformat() if hasattr(given, "isoformat") else given


class ParameterForm:
    """The controls of one schema."""

    #: What the names of its fields begin with.
    prefix: ClassVar[str] = PREFIX
    #: What the control for all that the schema does not name is called: alone, and beside others.
    rest_labels: ClassVar[tuple[str, str]] = ("Parameters", "More parameters")
    rest_help: ClassVar[str] = 'By name, as JSON: {"customer": "ACME"}. What it takes is not said by its signature.'

    def __init__(self, schema: Schema, initial: Mapping[str, Any]) -> None:
        self.schema = schema
        self.initial = initial
        self.drawn = list(self._draw_all(schema, initial, ()))
        self.takes_more = schema.get("additionalProperties", True) is not False

    @property
    def fields(self) -> dict[str, forms.Field]:
        """The controls by name; the last takes what the schema does not name, as JSON."""
        controls = {one.name: one.control for one in self.drawn}
        if self.takes_more:
            controls[self.prefix] = self._rest()
        return controls

    def read(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that a valid form holds; what was left empty is left out."""
        parameters: dict[str, Any] = dict(cleaned.get(self.prefix) or {})
        for one in self.drawn:
            value = one.value(cleaned.get(one.name))
            if value is not _NOTHING:
                _put(parameters, one.path, value)
        return parameters

    def _draw_all(self, schema: Schema, initial: Any, path: tuple[str, ...]) -> Iterator[Drawn]:
        properties = schema.get("properties", {})
        required = set(schema.get("required", ()))
        for name in schema.get("x-order", properties):
            about, given = properties.get(name, {}), initial if isinstance(initial, Mapping) else {}
            if _is_object(about) and name in required and len(path) + 1 < DEEPEST:
                yield from self._draw_all(about, given.get(name, about.get("default", {})), (*path, name))
            else:
                drawn = _draw(about, given.get(name, _NOTHING), (*path, name), is_required=name in required)
                drawn.prefix = self.prefix
                yield drawn

    def _rest(self) -> forms.Field:
        named = set(self.schema.get("properties", {}))
        rest = {name: value for name, value in self.initial.items() if name not in named}
        return JsonObject(
            label=self.rest_labels[bool(named)],
            required=False,
            initial=rest or None,
            help_text=self.rest_help,
        )


def _put(parameters: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *above, name = path
    for part in above:
        parameters = parameters.setdefault(part, {})
    parameters[name] = value


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object" and bool(schema.get("properties"))


def _draw(schema: Schema, given: Any, path: tuple[str, ...], *, is_required: bool) -> Drawn:
    plain, may_be_null = _without_null(schema)
    default = schema.get("default", _NOTHING)
    initial = given if given is not _NOTHING else default
    common = {
        "label": " › ".join(path),
        "required": is_required and not may_be_null,
        "initial": None if initial is _NOTHING else initial,
        "help_text": _help(schema, plain),
    }
    drawn = Drawn(path, forms.Field(), default)
    if "enum" in plain:
        drawn.values = list(plain["enum"])
        drawn.control = _choice(plain, common, initial)
    elif plain.get("type") == "boolean" and (is_required or may_be_null or default is _NOTHING):
        drawn.values = [True, False]
        drawn.control = _choice({"enum": [True, False], "x-names": ["Yes", "No"]}, common, initial)
    else:
        drawn.control = _control(plain, common)
        drawn.is_text = plain.get("type") == "string"
    return drawn


def _control(schema: Schema, common: dict[str, Any]) -> forms.Field:
    match schema.get("type"), schema.get("format"):
        case "boolean", _:
            return forms.BooleanField(**common | {"required": False})
        case "integer", _:
            return forms.IntegerField(**common | _EXACT_INTEGERS | _bounds(schema))
        case "number", _:
            return forms.FloatField(**common, **_bounds(schema), widget=forms.NumberInput(attrs={"step": "any"}))
        case "string", "date":
            return forms.DateField(**common, widget=DayInput())
        case "string", "date-time":
            return forms.DateTimeField(**_as_moment(common), widget=MomentInput())
        case "string", _:
            is_long = isinstance(common["initial"], str) and "\n" in common["initial"]
            return forms.CharField(**common, strip=False, widget=forms.Textarea() if is_long else forms.TextInput())
    return JsonText(**common)


def _choice(schema: Schema, common: dict[str, Any], initial: Any) -> forms.Field:
    """Offer the values by their place in the list, as they need not be texts."""
    values = list(schema["enum"])
    names = schema.get("x-names") or [value if isinstance(value, str) else json.dumps(value) for value in values]
    choices = [(str(place), name) for place, name in enumerate(names)]
    empty = [] if common["required"] and initial in values else [("", "–")]
    # True equals 1, so the type must agree as well.
    chosen = next((str(place) for place, one in enumerate(values) if one == initial and type(one) is type(initial)), "")
    return forms.ChoiceField(**common | {"choices": [*empty, *choices], "initial": chosen})


def _bounds(schema: Schema) -> dict[str, Any]:
    names = {"minimum": "min_value", "maximum": "max_value"}
    return {to: schema[name] for name, to in names.items() if name in schema}


def _as_moment(common: dict[str, Any]) -> dict[str, Any]:
    try:
        return common | {"initial": datetime.fromisoformat(common["initial"])}
    except (TypeError, ValueError):
        return common | {"initial": None}


def _without_null(schema: Schema) -> tuple[Schema, bool]:
    """Return what a value is if it is something at all, and whether it may be nothing."""
    branches = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if "anyOf" in schema and len(branches) == 1:
        return branches[0], len(branches) < len(schema["anyOf"])
    return schema, False


def _help(schema: Schema, plain: Schema) -> str:
    parts = [str(schema.get("description", "")).strip()]
    wanted = FORMAT_EXAMPLES.get(plain.get("format", ""))
    if plain.get("format") == "date-time":
        parts.append("In your time zone.")
    elif wanted and plain.get("format") != "date":
        parts.append(f"{wanted[0].upper()}{wanted[1:]}.")
    if plain.get("type") in ("array", "object", None) and "enum" not in plain:
        parts.append(f"As JSON: {_example(plain)}")
    if schema.get("x-default-hidden"):
        parts.append("Empty: the code sets it.")
    return " ".join(part for part in parts if part)


def _example(schema: Schema, depth: int = 0) -> str:
    """Return what a value of that shape looks like, in short."""
    kinds = {"string": '"text"', "integer": "1", "number": "1.5", "boolean": "true", "null": "null"}
    if "enum" in schema:
        return json.dumps(schema["enum"][0], ensure_ascii=False)
    if depth > DEEPEST:
        return "…"
    if schema.get("type") == "array":
        return f"[{_example(schema.get('items', {}), depth + 1)}, …]"
    if schema.get("type") == "object":
        known = schema.get("properties", {})
        inner = ", ".join(f"{json.dumps(name)}: {_example(one, depth + 1)}" for name, one in list(known.items())[:6])
        values = schema.get("additionalProperties")
        other = _example(values, depth + 1) if isinstance(values, Mapping) and values else '"value"'
        return f"{{{inner}}}" if inner else f'{{"name": {other}}}'
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], depth)
    return kinds.get(schema.get("type", ""), '"any value"')
