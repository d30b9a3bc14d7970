"""From annotations to JSON Schema."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.packages.rules.reports import report, schema_of, signature, warnings

INT, TEXT, NULL = {"type": "integer"}, {"type": "string"}, {"type": "null"}
TYPING = """
    import collections.abc, datetime as dt, decimal, enum, pathlib, typing, typing as t, uuid
    from collections.abc import Sequence, Mapping, Iterable
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal
    from pathlib import Path
    from typing import *
    from typing_extensions import Annotated, Literal, NotRequired, Required, TypedDict
    from typing import Any, Dict, FrozenSet, List, NewType, Optional, Set, Tuple, TypeAlias, TypeVar, Union
    from uuid import UUID
"""


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("int", INT),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("str", TEXT),
        ("None", NULL),
        ("bytes", {"type": "string", "contentEncoding": "base64"}),
        ("object", {}),
        ("Any", {}),
        ("list", {"type": "array"}),
        ("dict", {"type": "object"}),
        ("tuple", {"type": "array"}),
        ("set", {"type": "array", "uniqueItems": True}),
        ("list[int]", {"type": "array", "items": INT}),
        ("List[int]", {"type": "array", "items": INT}),
        ("t.List[int]", {"type": "array", "items": INT}),
        ("Sequence[str]", {"type": "array", "items": TEXT}),
        ("collections.abc.Iterable[str]", {"type": "array", "items": TEXT}),
        ("set[int]", {"type": "array", "items": INT, "uniqueItems": True}),
        ("FrozenSet[int]", {"type": "array", "items": INT, "uniqueItems": True}),
        ("dict[str, int]", {"type": "object", "additionalProperties": INT}),
        ("Mapping[str, list[int]]", {"type": "object", "additionalProperties": {"type": "array", "items": INT}}),
        (
            "dict[Literal['a', 'b'], int]",
            {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": INT},
        ),
        ("tuple[int, str]", {"type": "array", "minItems": 2, "maxItems": 2, "prefixItems": [INT, TEXT]}),
        ("Tuple[int, ...]", {"type": "array", "items": INT}),
        ("tuple[()]", {"type": "array", "minItems": 0, "maxItems": 0}),
        ("int | None", {"anyOf": [INT, NULL]}),
        ("Optional[int]", {"anyOf": [INT, NULL]}),
        ("Union[int, str, None]", {"anyOf": [INT, TEXT, NULL]}),
        ("typing.Optional[Union[int, str]]", {"anyOf": [INT, TEXT, NULL]}),
        ("int | str | int", {"anyOf": [INT, TEXT]}),
        ("Union[int]", INT),
        ("int | Any", {}),
        ("Literal['a', 1, True, None]", {"enum": ["a", 1, True, None]}),
        ("Literal[-1]", {"enum": [-1]}),
        ("Literal[b'x']", {}),
        ("datetime", {"type": "string", "format": "date-time"}),
        ("dt.datetime", {"type": "string", "format": "date-time"}),
        ("date", {"type": "string", "format": "date"}),
        ("time", {"type": "string", "format": "time"}),
        ("timedelta", {"type": "string", "format": "duration"}),
        ("UUID", {"type": "string", "format": "uuid"}),
        ("uuid.UUID", {"type": "string", "format": "uuid"}),
        ("Decimal", {"type": "string", "format": "decimal"}),
        ("Path", {"type": "string", "format": "path"}),
        ("'int'", INT),
        ("'list[\"int\"]'", {"type": "array", "items": INT}),
        ("'not an [annotation'", {}),
        ("Final[int]", INT),
        ("Unheard[int]", {}),
        ("tuple[int, *Others]", {"type": "array"}),
        ("Literal[Literal['a'], Literal['b', 1]]", {"enum": ["a", "b", 1]}),
        ("Literal[unheard.of]", {}),
        ("Literal[(" + "0, " * 2_000 + ")]", {}),
        (" | ".join(f"list[Literal[{number}]]" for number in range(40)), {}),
        (repr("list[" + "int, " * 1_000 + "]"), {}),
        ("unheard.of", {}),
        ("collections.abc.Callable[[int], str]", {}),
        ("1 + 1", {}),
        ("[int]", {}),
        ("lambda: 1", {}),
    ],
)
def test_types_become_schemas(annotation, schema):
    assert schema_of(annotation, TYPING) == schema


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("Annotated[int, 'how many']", {**INT, "description": "how many"}),
        ("Annotated[int, Ge(1), Lt(10)]", {**INT, "minimum": 1, "exclusiveMaximum": 10}),
        ("Annotated[int, annotated_types.Gt(0)]", {**INT, "exclusiveMinimum": 0}),
        ("Annotated[float, Interval(ge=-1.5, le=2)]", {"type": "number", "minimum": -1.5, "maximum": 2}),
        ("Annotated[int, MultipleOf(5)]", {**INT, "multipleOf": 5}),
        ("Annotated[int, MultipleOf(0)]", INT),
        ("Annotated[str, Len(1, 5)]", {**TEXT, "minLength": 1, "maxLength": 5}),
        ("Annotated[list[int], MinLen(1)]", {"type": "array", "items": INT, "minItems": 1}),
        ("Annotated[dict, MaxLen(3)]", {"type": "object", "maxProperties": 3}),
        ("Annotated[str | None, Len(2)]", {"anyOf": [TEXT, NULL], "minLength": 2}),
        ("Annotated[str, Doc('words')]", {**TEXT, "description": "words"}),
        (
            "Annotated[int, Field(description='d', ge=1, le=2, multiple_of=1)]",
            {**INT, "description": "d", "minimum": 1, "maximum": 2, "multipleOf": 1},
        ),
        ("Annotated[str, StringConstraints(pattern='(a+)+$')]", {**TEXT, "x-pattern": "(a+)+$"}),
        ("Annotated[int, Ge(LOWEST)]", INT),
        ("Annotated[int, Ge('text')]", INT),
        ("Annotated[int, Unheard(5), 5, ...]", INT),
        ("Annotated[Annotated[int, Ge(0)], Le(9)]", {**INT, "minimum": 0, "maximum": 9}),
        ("Amount", {**INT, "minimum": 0, "description": "euros"}),
        ("list[Amount]", {"type": "array", "items": {**INT, "minimum": 0, "description": "euros"}}),
        ("Explicit", {"anyOf": [INT, TEXT]}),
        ("UserId", INT),
        ("T", INT),
        ("S", {}),
    ],
)
def test_constraints_descriptions_and_aliases_become_schemas(annotation, schema):
    before = f"""{TYPING}
    Amount = Annotated[int, Ge(0), "euros"]
    Explicit: TypeAlias = "int | str"
    UserId = NewType("UserId", int)
    T = TypeVar("T", bound=int)
    S = TypeVar("S")
    """

    assert schema_of(annotation, before) == schema


ENUMS = """
    import enum
    from enum import Enum, IntEnum, StrEnum, auto
    from typing import Literal

    class Colour(Enum):
        RED = "red"
        GREEN = "green"
        def method(self): ...

    class Level(IntEnum):
        LOW = auto()
        HIGH = 10
        HIGHER = auto()

    class Mode(enum.StrEnum):
        FAST = auto()
        SLOW = "very slow"

    class Old(str, Enum):
        A = "a"

    class Shape(Enum):
        ROUND = object()
        SQUARE = (1, 2)

    class Empty(Enum):
        pass
"""


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("Colour", {"enum": ["red", "green"], "x-names": ["RED", "GREEN"]}),
        ("Level", {"enum": [1, 10, 11], "x-names": ["LOW", "HIGH", "HIGHER"]}),
        ("Mode", {"enum": ["fast", "very slow"], "x-names": ["FAST", "SLOW"]}),
        ("Old", {"enum": ["a"], "x-names": ["A"]}),
        ("Shape", {"enum": ["ROUND", "SQUARE"]}),
        ("Empty", {}),
        ("Literal[Colour.RED, 'other']", {"enum": ["red", "other"]}),
        ("Literal[Colour.BLUE]", {}),
    ],
)
def test_enumerations_become_their_values_or_their_names(annotation, schema):
    assert schema_of(annotation, ENUMS) == schema


def test_a_member_of_an_enumeration_can_be_the_default():
    source = f"{ENUMS}\n    def run(a: Colour = Colour.RED, b: Shape = Shape.ROUND, c=Colour.BLUE): ..."

    found = signature(source).input_schema["properties"]

    assert found["a"]["default"] == "red"
    assert found["b"]["default"] == "ROUND"
    assert found["c"] == {"title": "C", "x-default-hidden": True}


def test_a_dataclass_becomes_an_object():
    before = '''
        from dataclasses import KW_ONLY, InitVar, dataclass, field
        from typing import ClassVar

        @dataclass
        class Base:
            number: int

        @dataclass(frozen=True)
        class Order(Base):
            """An order.

            Attributes:
                lines: What is ordered.
            """
            count: ClassVar[int] = 0
            lines: list[str] = field(default_factory=list)
            _: KW_ONLY
            note: str | None = None
            computed: int = field(init=False, default=3)
            secret: str = make()
            seed: InitVar[int] = 1
    '''

    found = schema_of("Order", before)

    assert found == {
        "type": "object",
        "description": "An order.",
        "properties": {
            "number": {"type": "integer", "title": "Number"},
            "lines": {
                "type": "array",
                "items": TEXT,
                "title": "Lines",
                "description": "What is ordered.",
                "default": [],
            },
            "note": {"anyOf": [TEXT, NULL], "title": "Note", "default": None},
            "secret": {"type": "string", "title": "Secret", "x-default-hidden": True},
            "seed": {"type": "integer", "title": "Seed", "default": 1},
        },
        "required": ["number"],
        "additionalProperties": False,
        "x-order": ["number", "lines", "note", "secret", "seed"],
    }


def test_a_typed_dictionary_becomes_an_object():
    before = """
        from typing import NotRequired, Required, TypedDict
        class Base(TypedDict):
            a: int
            b: NotRequired[str]
        class Part(Base, total=False):
            c: str
            d: Required[int]
    """

    found = schema_of("Part", before)

    assert list(found["properties"]) == ["a", "b", "c", "d"]
    assert found["required"] == ["a", "d"]
    assert found["properties"]["d"] == {"type": "integer", "title": "D"}
    assert found["additionalProperties"] is False


def test_a_model_becomes_an_object():
    before = """
        import pydantic
        from pydantic import BaseModel, Field, PositiveInt
        class Base(BaseModel):
            model_config = pydantic.ConfigDict(frozen=True)
            id: PositiveInt
        class Box(Base):
            width: int = Field(..., gt=0, description="how wide", title="The width")
            height: float = Field(1.5, le=9)
            tags: list[str] = Field(default_factory=list, max_length=3)
            kind: str = Field("a", alias="Kind")
            other: Base | None = None
            limit: pydantic.conint(ge=1, le=5) = 3
    """

    found = schema_of("Box", before)

    assert found["required"] == ["id", "width"]
    assert found["additionalProperties"] is False
    assert found["properties"]["id"] == {"type": "integer", "exclusiveMinimum": 0, "title": "Id"}
    assert found["properties"]["width"] == {
        "type": "integer",
        "exclusiveMinimum": 0,
        "title": "The width",
        "description": "how wide",
    }
    assert found["properties"]["height"] == {"type": "number", "maximum": 9, "title": "Height", "default": 1.5}
    assert found["properties"]["tags"]["maxItems"] == 3
    assert found["properties"]["Kind"]["default"] == "a"
    assert found["properties"]["limit"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 5,
        "title": "Limit",
        "default": 3,
    }


@pytest.mark.parametrize(
    "config",
    [
        "model_config = ConfigDict(extra='allow')",
        "model_config = {'extra': 'ignore'}",
        "class Config:\n        extra = 'allow'",
    ],
)
def test_a_model_may_let_more_in(config):
    before = f"from pydantic import BaseModel, ConfigDict\nclass Box(BaseModel):\n    {config}\n    a: int\n"

    assert schema_of("Box", before)["additionalProperties"] is True


def test_a_dataclass_over_something_unknown_lets_more_in():
    before = "from dataclasses import dataclass\nfrom elsewhere import Base\n@dataclass\nclass Box(Base):\n    a: int\n"

    assert schema_of("Box", before)["additionalProperties"] is True


@pytest.mark.parametrize(
    "body", ["class Box: pass", "class Box(Protocol): pass", "from elsewhere import Box", "Box = make()"]
)
def test_a_class_that_says_nothing_lets_anything_in(body):
    assert schema_of("Box", body) == {}


def test_classes_within_classes_are_found():
    before = """
        from enum import Enum
        from typing import Literal
        class Outer:
            class Inner(Enum):
                A = 1
            NAME = "x"
    """

    assert schema_of("Outer.Inner", before) == {"enum": [1], "x-names": ["A"]}
    assert schema_of("Literal[Outer.Inner.A]", before) == {"enum": [1]}
    assert schema_of("Outer.Missing", before) == {}


def test_a_class_that_is_inherited_on_two_ways_counts_once():
    before = """
        from dataclasses import dataclass
        @dataclass
        class Top:
            a: int
        class Left(Top): ...
        class Right(Top): ...
        @dataclass
        class Bottom(Left, Right):
            b: int
            class Helper: ...
    """

    assert schema_of("Bottom", before)["x-order"] == ["a", "b"]


def test_following_names_ends_somewhere_for_all_types_together():
    chain = "\n".join(f"A{number} = A{number + 1}" for number in range(50))
    functions = "\n".join(
        f"def f{number}({', '.join(f'p{count}: A0' for count in range(150))}): ..." for number in range(10)
    )
    entrypoints = "".join(f"  - {{name: e{number}, command: 'main:f{number}'}}\n" for number in range(10))
    project = f"name: demo\nversion: 1.0.0\nentrypoints:\n{entrypoints}".replace("main:f0'", "main:f0', default: true")

    found = report({"bvproject.yaml": project, "main.py": f"{chain}\nA50 = int\n{functions}"}, entry_ratio=1_000)

    assert found.is_valid
    assert "signature_cut" in warnings(found)


def test_a_class_within_itself_is_described_once():
    before = """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class Node:
            name: str
            children: list[Node]
    """

    found = schema_of("Node", before)

    assert found["properties"]["children"] == {"type": "array", "items": {}, "title": "Children"}


def test_types_of_other_modules_of_the_package_are_followed():
    files = {
        "shapes/__init__.py": "from .enums import *\nfrom shapes.boxes import Box as Container\nfrom . import boxes",
        "shapes/enums.py": "from enum import Enum\nclass Colour(Enum):\n    RED = 'red'\n",
        "shapes/boxes.py": (
            "from dataclasses import dataclass\nfrom .enums import Colour\n@dataclass\nclass Box:\n    colour: Colour\n"
        ),
    }
    colour = {"enum": ["red"], "x-names": ["RED"]}

    assert schema_of("Colour", "from shapes import Colour", files) == colour
    assert schema_of("shapes.Colour", "import shapes", files) == colour
    assert schema_of("s.enums.Colour", "import shapes as s", files) == colour
    assert schema_of("shapes.enums.Colour", "import shapes.enums", files) == colour
    box = schema_of("Container", "from shapes import Container", files)
    assert box["properties"]["colour"] == {**colour, "title": "Colour"}
    assert schema_of("boxes.Box", "from shapes import boxes", files) == box


@pytest.mark.parametrize(
    "before",
    [
        "A = B\nB = A",
        "A = list[A]",
        "from main import A",
        "from main import B as A\nfrom main import A as B",
        "from main import *",
        "A = A.b",
        "A = 'A'",
    ],
)
def test_names_that_go_round_in_a_circle_let_anything_in(before):
    assert schema_of("A", before) in ({}, {"type": "array", "items": {}})


def test_types_that_multiply_are_cut():
    aliases = "\n".join(f"A{number} = tuple[A{number + 1}, A{number + 1}]" for number in range(60))

    found = report({"main.py": f"{aliases}\nA60 = int\ndef run(a: A0): ..."})

    assert found.is_valid
    assert warnings(found) == ["signature_cut"]


def test_a_schema_that_grows_too_big_is_left_open():
    members = "\n".join(f"    M{number} = '{number}{'x' * 100}'" for number in range(400))
    parameters = ", ".join(f"p{number}: E" for number in range(100))
    source = f"from enum import Enum\nclass E(Enum):\n{members}\ndef run({parameters}): ..."

    found = report({"main.py": source}, entry_ratio=1_000)

    assert warnings(found) == ["signature_cut"]
    assert found.entrypoints[0].signature.input_schema.keys() == {"$schema", "type"}


def test_types_inside_types_end_somewhere():
    nested = "list[" * 60 + "int" + "]" * 60

    assert schema_of(nested)["type"] == "array"


NAMES = ["int", "str", "None", "Any", "Colour", "Node", "'int'", "...", "1", "Ge(1)", "Field(gt=0, max_length=2)", "No"]
GENERICS = ["list", "dict", "tuple", "set", "Optional", "Union", "Literal", "Annotated", "Node", "Colour"]
names = st.sampled_from(NAMES)
annotations = st.recursive(
    names,
    lambda inner: (
        st.tuples(
            st.sampled_from(GENERICS),
            st.lists(inner, min_size=1, max_size=3),
        ).map(lambda pair: f"{pair[0]}[{', '.join(pair[1])}]")
        | st.tuples(inner, inner).map(" | ".join)
        | inner.map(repr)
    ),
    max_leaves=12,
)


@given(annotations, st.sampled_from(["", " = None", " = 1", " = 'x'", " = Colour.RED", " = f()"]))
def test_whatever_the_annotation_is_the_schema_is_a_valid_one(annotation, default):
    before = """
        from typing import *
        from dataclasses import dataclass
        from enum import Enum
        class Colour(Enum):
            RED = 1
        @dataclass
        class Node:
            inner: "Node | None" = None
            colours: "list[Colour]" = ()
    """
    source = f"{before}\n        def run(value: {annotation}{default}) -> {annotation}: ..."

    found = signature(source)

    Draft202012Validator.check_schema(found.input_schema)
    Draft202012Validator.check_schema(found.output_schema)
