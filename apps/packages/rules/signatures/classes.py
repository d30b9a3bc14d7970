"""Classes whose instances are written as JSON: enumerations, dataclasses, typed dictionaries and models."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from typing import Any, TypeVar

from apps.packages.rules.signatures import details, docstrings
from apps.packages.rules.signatures.known import DATACLASS_DECORATORS, MODEL_BASES, Schema, canonical
from apps.packages.rules.signatures.library import External, Library, Place, dotted
from apps.packages.rules.signatures.literals import NONE_GIVEN, Default, literal
from apps.packages.rules.signatures.modules import Module

T = TypeVar("T")

MOST_BASES = 20  # above one class, however deep
MOST_MEMBERS = 500  # of one enumeration
MOST_FIELDS = 300
_HIDDEN_MEMBERS = {"_ignore_", "_order_", "_generate_next_value_"}


class Sort(Enum):
    """What a class is good for in JSON."""

    ENUM = "enum"
    DATACLASS = "dataclass"
    TYPED_DICT = "typed dict"
    MODEL = "model"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a class: the name it has in JSON, its annotation, and the module to read that with."""

    name: str
    annotation: ast.expr
    module: Module
    default: Default
    is_required: bool
    expression: ast.expr | None = None  # the default as it is written
    said: details.Details | None = None


Learning = Callable[[ast.ClassDef, Module, Library], T]


def _once(learn: Learning[T]) -> Learning[T]:
    """Learn a thing about each class once, however often the class is used."""

    @wraps(learn)
    def remembered(owner: ast.ClassDef, module: Module, library: Library) -> T:
        key = (learn.__name__, owner)
        if key not in library.remembered:
            library.remembered[key] = learn(owner, module, library)
        found: T = library.remembered[key]
        return found

    return remembered


def lineage(owner: ast.ClassDef, module: Module, library: Library) -> Iterator[tuple[ast.ClassDef, Module] | str]:
    """Yield a class and all above it, nearest first: those of the package, and the dotted names of the others."""
    waiting: list[tuple[ast.ClassDef, Module]] = [(owner, module)]
    seen: list[ast.ClassDef] = []
    while waiting and len(seen) < MOST_BASES:
        current, its_module = waiting.pop(0)
        if current in seen:
            continue
        seen.append(current)
        yield current, its_module
        for base in current.bases[:MOST_BASES]:
            match _meaning(base, its_module, library):
                case Place(where, ast.ClassDef() as definition):
                    waiting.append((definition, where))
                case External(name):
                    yield canonical(name)


def _meaning(expression: ast.expr, module: Module, library: Library) -> Place | External | None:
    if isinstance(expression, ast.Subscript):
        expression = expression.value
    if isinstance(expression, ast.Call):
        expression = expression.func
    parts = dotted(expression)
    found = library.meaning(parts, module) if parts else None
    return found if isinstance(found, Place | External) else None


@_once
def sort_of(owner: ast.ClassDef, module: Module, library: Library) -> Sort:
    """Return what kind of class this is, by its decorators and by what it inherits."""
    names = set()
    for one in lineage(owner, module, library):
        if isinstance(one, str):
            names.add(one)
        elif _is_dataclass(*one, library):
            names.add("dataclass")
    if any(name.startswith("enum.") for name in names):
        return Sort.ENUM
    if "typeddict" in names:
        return Sort.TYPED_DICT
    if any(name.rpartition(".")[2] in MODEL_BASES for name in names):
        return Sort.MODEL
    return Sort.DATACLASS if "dataclass" in names else Sort.OTHER


def _is_dataclass(owner: ast.ClassDef, module: Module, library: Library) -> bool:
    found = (_meaning(decorator, module, library) for decorator in owner.decorator_list[:MOST_BASES])
    return any(isinstance(one, External) and one.name in DATACLASS_DECORATORS for one in found)


def enum_schema(owner: ast.ClassDef, module: Module, library: Library) -> Schema:
    """Return the values of an enumeration, or the names of its members where a value cannot be told."""
    values = enum_values(owner, module, library)
    if not values:
        return {}
    schema: Schema = {"title": owner.name, "enum": list(values.values())}
    return schema if schema["enum"] == list(values) else {**schema, "x-names": list(values)}


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def docs_of(owner: ast.ClassDef) -> docstrings.Docs:
    """Return what the docstring of a class says of it and its fields."""
    return docstrings.parse(ast.get_docstring(owner, clean=False))


@_once
def enum_values(owner: ast.ClassDef, module: Module, library: Library) -> dict[str, Any]:
    """Return what stands for each member in JSON, by name: its value, or its name if any value cannot be told."""
    members = _enum_members(owner, module, library)
    if all(default.is_shown and _is_scalar(default.value) for default in members.values()):
        return {name: default.value for name, default in members.items()}
    return {name: name for name in members}


def _enum_members(owner: ast.ClassDef, module: Module, library: Library) -> dict[str, Default]:
    is_text = "enum.StrEnum" in [one for one in lineage(owner, module, library) if isinstance(one, str)]
    members: dict[str, Default] = {}
    for statement in owner.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if len(members) < MOST_MEMBERS and not name.startswith("__") and name not in _HIDDEN_MEMBERS:
                    members[name] = _member(name, value, members, is_text=is_text)
    return members


def _member(name: str, value: ast.expr, before: dict[str, Default], *, is_text: bool) -> Default:
    if not (isinstance(value, ast.Call) and dotted(value.func)[-1:] == ["auto"]):
        return literal(value)
    if is_text:
        return Default(exists=True, is_shown=True, value=name.lower())
    numbers = [one.value for one in before.values() if isinstance(one.value, int)]
    return Default(exists=True, is_shown=True, value=max(numbers, default=0) + 1)


@_once
def fields(owner: ast.ClassDef, module: Module, library: Library) -> dict[str, Field]:
    """Return the fields of a dataclass, typed dictionary or model by name, inherited ones first."""
    classes = [one for one in lineage(owner, module, library) if not isinstance(one, str)]
    found: dict[str, Field] = {}
    for current, its_module in reversed(classes):
        is_total = not any(word.arg == "total" and literal(word.value).value is False for word in current.keywords)
        for statement in current.body:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name)) if len(found) < MOST_FIELDS:
                    found.pop(name, None)
                    if one := _field(name, statement, its_module, library, is_total=is_total):
                        found[name] = one
    return found


def _field(name: str, statement: ast.AnnAssign, module: Module, library: Library, *, is_total: bool) -> Field | None:
    marks = set(_marks(statement.annotation, module, library))
    if "classvar" in marks or "dataclasses.KW_ONLY" in marks or name.startswith("__") or name == "model_config":
        return None
    said, default = None, NONE_GIVEN
    if details.is_field(statement.value) and statement.value is not None:
        said = details.read(statement.value)
        default = said.default
    elif statement.value is not None:
        default = literal(statement.value)
    if said and not said.is_input:
        return None
    is_required = not default.exists and (is_total or "required" in marks) and "notrequired" not in marks
    json_name = said.alias if said and said.alias else name
    return Field(json_name, statement.annotation, module, default, is_required, statement.value, said)


def _marks(annotation: ast.expr, module: Module, library: Library) -> Iterator[str]:
    """Yield the wrappers around a field's type, outermost first: `ClassVar`, `Required`, `Annotated`, …"""
    for _ in range(5):
        found = _meaning(annotation, module, library)
        if isinstance(found, External):
            yield canonical(found.name)
        if not isinstance(annotation, ast.Subscript):
            return
        inner = annotation.slice
        annotation = inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner


@_once
def lets_more_in(owner: ast.ClassDef, module: Module, library: Library) -> bool:
    """Whether instances may have fields that are not known: bases from elsewhere, or a model told to ignore extras."""
    known_bases = {"object", "typeddict", "generic", "protocol", "abc.ABC", "namedtuple"}
    for one in lineage(owner, module, library):
        if isinstance(one, str):
            if one not in known_bases and one.rpartition(".")[2] not in MODEL_BASES:
                return True
        elif any(_says_extra(statement) for statement in one[0].body):
            return True
    return False


def _says_extra(statement: ast.stmt) -> bool:
    """Whether this is `model_config = ConfigDict(extra="allow")` or `"ignore"`, in any of its spellings."""
    if not isinstance(statement, ast.Assign | ast.ClassDef):
        return False
    if isinstance(statement, ast.ClassDef) and statement.name != "Config":
        return False
    for node, _ in zip(ast.walk(statement), range(200), strict=False):
        match node:
            case ast.keyword(arg="extra", value=ast.Constant(value="allow" | "ignore")):
                return True
            case ast.Assign(targets=[ast.Name(id="extra")], value=ast.Constant(value="allow" | "ignore")):
                return True
            case ast.Dict(keys=[ast.Constant(value="extra")], values=[ast.Constant(value="allow" | "ignore")]):
                return True
    return False
