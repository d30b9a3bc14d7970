"""Types that mean the same in every package, and how each looks in JSON."""

from typing import Any

Schema = dict[str, Any]

# Modules whose names are taken alike: `typing.List`, `collections.abc.Sequence`, `list`.
_SAME = ("builtins.", "typing.", "typing_extensions.", "collections.abc.", "collections.", "types.")

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
NULL: Schema = {"type": "null"}


def _text(form: str) -> Schema:
    return {"type": "string", "format": form}


SCALARS: dict[str, Schema] = {
    "str": TEXT,
    "text": TEXT,
    "anystr": TEXT,
    "literalstring": TEXT,
    "int": WHOLE,
    "supportsint": NUMBER,
    "float": NUMBER,
    "bool": {"type": "boolean"},
    "none": NULL,
    "nonetype": NULL,
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "numbers.Number": NUMBER,
    "numbers.Real": NUMBER,
    "numbers.Integral": WHOLE,
    "datetime.datetime": _text("date-time"),
    "datetime.date": _text("date"),
    "datetime.time": _text("time"),
    "datetime.timedelta": _text("duration"),
    "decimal.Decimal": _text("decimal"),
    "uuid.UUID": _text("uuid"),
    "pathlib.Path": _text("path"),
    "pathlib.PurePath": _text("path"),
    "pathlib.PosixPath": _text("path"),
    "pathlib.PurePosixPath": _text("path"),
    "os.PathLike": _text("path"),
    "ipaddress.IPv4Address": _text("ipv4"),
    "ipaddress.IPv6Address": _text("ipv6"),
    "pydantic.EmailStr": _text("email"),
    "pydantic.AnyUrl": _text("uri"),
    "pydantic.AnyHttpUrl": _text("uri"),
    "pydantic.HttpUrl": _text("uri"),
    "pydantic.SecretStr": {**_text("password"), "writeOnly": True},
    "pydantic.FilePath": _text("path"),
    "pydantic.DirectoryPath": _text("path"),
    "pydantic.UUID4": _text("uuid"),
    "pydantic.StrictStr": TEXT,
    "pydantic.StrictInt": WHOLE,
    "pydantic.StrictFloat": NUMBER,
    "pydantic.StrictBool": {"type": "boolean"},
    "pydantic.PositiveInt": {**WHOLE, "exclusiveMinimum": 0},
    "pydantic.NonNegativeInt": {**WHOLE, "minimum": 0},
    "pydantic.NegativeInt": {**WHOLE, "exclusiveMaximum": 0},
    "pydantic.NonPositiveInt": {**WHOLE, "maximum": 0},
    "pydantic.PositiveFloat": {**NUMBER, "exclusiveMinimum": 0},
    "pydantic.NonNegativeFloat": {**NUMBER, "minimum": 0},
}

# pydantic's types by call: `conint(ge=1)` is an integer with constraints.
CALLED: dict[str, Schema] = {
    "pydantic.conint": WHOLE,
    "pydantic.confloat": NUMBER,
    "pydantic.constr": TEXT,
    "pydantic.condecimal": _text("decimal"),
}

LISTS = frozenset(
    {"list", "sequence", "mutablesequence", "iterable", "iterator", "collection", "container", "deque", "reversible"}
)
SETS = frozenset({"set", "frozenset", "abstractset", "mutableset"})
MAPPINGS = frozenset({"dict", "mapping", "mutablemapping", "defaultdict", "ordereddict", "counter"})
TUPLES = frozenset({"tuple"})
# What is said about a type without changing what it looks like.
WRAPPERS = frozenset({"final", "classvar", "required", "notrequired", "readonly", "initvar", "awaitable", "coroutine"})

DATACLASS_DECORATORS = frozenset(
    {
        "dataclasses.dataclass",
        "pydantic.dataclasses.dataclass",
        "attr.s",
        "attr.attrs",
        "attr.dataclass",
        "attr.define",
        "attr.frozen",
        "attr.mutable",
        "attrs.define",
        "attrs.frozen",
        "attrs.mutable",
    }
)
MODEL_BASES = frozenset({"BaseModel", "BaseSettings", "SQLModel", "Struct"})


def canonical(name: str) -> str:
    """Return the one spelling under which the tables above know a dotted name."""
    for prefix in _SAME:
        if name.startswith(prefix):
            return name.removeprefix(prefix).lower()
    return "initvar" if name == "dataclasses.InitVar" else name
