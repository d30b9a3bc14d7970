"""Whether the parameters of a job fit what its entrypoint takes, said in words for people.

The schemas are those of `signatures`: trees without references and without patterns, so that no package can make
checking a value expensive.
"""

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError

from apps.packages.rules.problems import shown

MOST_PROBLEMS = 100
Told = tuple[str, str]  # a path such as `order.lines[2].amount`, and what is wrong there

_DURATION = re.compile(
    r"P(?=.)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?)", re.ASCII
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")

FORMATS = FormatChecker(formats=["date", "uuid", "email", "ipv4", "ipv6"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return bool(_MOMENT.fullmatch(value) and datetime.datetime.fromisoformat(value.upper()))


@FORMATS.checks("time", raises=ValueError)
def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return bool(_TIME.fullmatch(value)) and datetime.time.fromisoformat(value.upper()) is not None


@FORMATS.checks("duration")
def _is_duration(value: object) -> bool:
    return not isinstance(value, str) or bool(_DURATION.fullmatch(value))


@FORMATS.checks("decimal", raises=InvalidOperation)
def _is_decimal(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return value.isascii() and "_" not in value and len(value) <= 1_000 and Decimal(value).is_finite()


@FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(_URI.fullmatch(value))


FORMAT_EXAMPLES = {
    "date-time": "a date and time such as 2026-01-31T10:00:00Z",
    "date": "a date such as 2026-01-31",
    "time": "a time such as 10:00:00",
    "duration": "a duration such as PT1H30M",
    "decimal": "a decimal number in quotes such as '12.50'",
    "uuid": "a UUID such as 123e4567-e89b-12d3-a456-426614174000",
    "email": "an e-mail address",
    "uri": "a URL such as https://example.org/",
    "ipv4": "an IPv4 address such as 192.0.2.1",
    "ipv6": "an IPv6 address such as 2001:db8::1",
}

_TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _are_different(_: Any, is_wanted: bool, value: Any, __: Any) -> Iterator[ValidationError]:
    """Check `uniqueItems` in one pass; the library's own compares each with each."""
    if is_wanted and isinstance(value, list) and len({_identity(item) for item in value}) < len(value):
        yield ValidationError("must not hold anything twice")


def _identity(value: Any) -> object:
    """Return something hashable that is equal exactly for what JSON Schema calls equal."""
    match value:
        case bool() | None | str():
            return (type(value), value)
        case list():
            return (list, tuple(map(_identity, value)))
        case dict():
            return (dict, frozenset((key, _identity(item)) for key, item in value.items()))
    return (float, value)


_Validator: Any = validators.extend(Draft202012Validator, {"uniqueItems": _are_different})


def problems(schema: Mapping[str, Any], parameters: Any) -> list[Told]:
    """Return everything in `parameters` that does not fit `schema`, as paths and messages; at most 100 of them."""
    return checker(schema)(parameters)


def checker(schema: Mapping[str, Any]) -> Callable[[Any], list[Told]]:
    """Return `problems` for one schema, to be used on many parameters."""
    validator = _Validator(schema, format_checker=FORMATS)

    def check(parameters: Any) -> list[Told]:
        found = (told for error in validator.iter_errors(parameters) for told in _told(error))
        return list(islice(dict.fromkeys(found), MOST_PROBLEMS))

    return check


def _told(error: ValidationError) -> Iterator[Told]:
    path = list(error.absolute_path)
    match error.validator:
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield from ((_path([*path, name]), "is required") for name in missing)
        case "additionalProperties" if error.validator_value is False:
            known = error.schema.get("properties", {})
            unknown = [name for name in error.instance if name not in known]
            yield from ((_path([*path, name]), _unknown(known)) for name in unknown)
        case "anyOf":
            yield from _nearest(error)
        case _:
            yield _path(path), _message(error)


def _unknown(known: Iterable[str]) -> str:
    names = ", ".join(shown(name, 50) for name in islice(known, 20))
    return f"is not known; known are: {names}" if names else "is not known; nothing is taken here"


def _nearest(error: ValidationError) -> Iterator[Told]:
    """Say what is wrong with the one alternative that was meant, or else list what would be right."""
    inner = error.context or []
    of_right_type = [one for one in inner if one.validator not in {"type", "enum"} or len(one.relative_path) > 0]
    branches = {one.relative_schema_path[0] for one in of_right_type}
    if len(branches) == 1:
        for one in of_right_type:
            yield from _told(one)
    else:
        wanted = " or ".join(dict.fromkeys(_wanted(branch) for branch in error.validator_value))
        yield _path(error.absolute_path), f"must be {wanted}, not {_given(error.instance)}"


def _wanted(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return _values(schema["enum"])
    if schema.get("format") in FORMAT_EXAMPLES:
        return FORMAT_EXAMPLES[schema["format"]]
    return _TYPES.get(schema.get("type", ""), "something else")


def _message(error: ValidationError) -> str:
    wanted = error.validator_value
    match error.validator:
        case "type":
            return f"must be {_wanted(error.schema)}, not {_given(error.instance)}"
        case "enum":
            return f"must be {_values(wanted)}, not {_given(error.instance)}"
        case "format":
            return f"must be {FORMAT_EXAMPLES.get(wanted, wanted)}, not {_given(error.instance)}"
        case "minimum":
            return f"must be at least {wanted}, not {_given(error.instance)}"
        case "maximum":
            return f"must be at most {wanted}, not {_given(error.instance)}"
        case "exclusiveMinimum":
            return f"must be more than {wanted}, not {_given(error.instance)}"
        case "exclusiveMaximum":
            return f"must be less than {wanted}, not {_given(error.instance)}"
        case "multipleOf":
            return f"must be a multiple of {wanted}, not {_given(error.instance)}"
        case "minLength" | "maxLength":
            return _size(error, "character")
        case "minItems" | "maxItems":
            return _size(error, "item")
        case "minProperties" | "maxProperties":
            return _size(error, "field")
        case "uniqueItems":
            return "must not hold anything twice"
    return shown(error.message)


def _size(error: ValidationError, unit: str) -> str:
    bound = "at least" if str(error.validator).startswith("min") else "at most"
    count = error.validator_value
    return f"must have {bound} {count} {unit}{'' if count == 1 else 's'}, not {len(error.instance)}"


def _values(values: list[Any]) -> str:
    told = ", ".join(_given(value) for value in values[:20])
    more = f", … ({len(values) - 20} more)" if len(values) > 20 else ""
    return f"{told}{more}" if len(values) == 1 else f"one of {told}{more}"


def _given(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{shown(value, 80)}'"
        case list():
            return "a list"
        case dict():
            return "an object"
    return shown(str(value), 80)


def _path(parts: Iterable[str | int]) -> str:
    """Return the path of a value as people write it: `order.lines[2].amount`; empty for the parameters as a whole."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{shown(part, 100)}"
    return path.removeprefix(".")
