"""From an annotation to a JSON Schema (draft 2020-12).

Schemas are plain trees without references: a form can be drawn and a value checked by walking down, and the work that
takes is bounded by the size of both. A class inside itself is therefore described once and, further down, lets
anything in. What is not known lets anything in as well: a package is never refused for a type nobody here understands.
"""

import ast
from dataclasses import dataclass

from apps.packages.rules.signatures import classes, details, known
from apps.packages.rules.signatures.classes import Sort
from apps.packages.rules.signatures.known import NULL, Schema, canonical
from apps.packages.rules.signatures.library import External, Library, Meaning, Place, dotted
from apps.packages.rules.signatures.literals import NOT_SHOWN, Default, literal, shown_default, storable
from apps.packages.rules.signatures.modules import Module
from apps.packages.rules.signatures.sources import parse_expression

ANYTHING: Schema = {}
MOST_BRANCHES = 32  # of one union
MOST_VALUES = 500  # of one Literal
MOST_ANNOTATIONS = 50  # in one Annotated


@dataclass(slots=True)
class Allowance:
    """How many more types may be described. `is_used_up` tells whether something had to be left out."""

    nodes: int
    is_used_up: bool = False

    def take(self) -> bool:
        self.nodes -= 1
        self.is_used_up = self.is_used_up or self.nodes < 0
        return self.nodes >= 0


class Describer:
    """Describes types in the words of JSON Schema, reading names with the modules of one package."""

    def __init__(self, library: Library, depth: int, allowance: Allowance) -> None:
        self._library = library
        self._depth = depth
        self._allowance = allowance
        self._inside: list[object] = []  # the classes and aliases being described, outermost first

    def schema(self, annotation: ast.expr | None, module: Module) -> Schema:
        """Return the schema of what an annotation lets in."""
        if annotation is None or not self._allowance.take() or len(self._inside) > self._depth:
            return ANYTHING
        self._inside.append(annotation)
        try:
            return self._schema(annotation, module)
        finally:
            self._inside.pop()

    def _schema(self, annotation: ast.expr, module: Module) -> Schema:
        match annotation:
            case ast.Constant(value=None):
                return NULL
            case ast.Constant(value=str() as text):
                return self.schema(parse_expression(text), module)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(_alternatives(annotation), module)
            case ast.Subscript(value=value, slice=inner):
                return self._generic(value, inner, module)
            case ast.Name() | ast.Attribute():
                return self._named(self._meaning(annotation, module))
            case ast.Call():
                return self._called(annotation, module)
        return ANYTHING

    def _meaning(self, expression: ast.expr, module: Module) -> Meaning:
        parts = dotted(expression)
        return self._library.meaning(parts, module) if parts else None

    def _named(self, meaning: Meaning) -> Schema:
        match meaning:
            case External(name):
                return _bare(canonical(name))
            case Place(module, ast.ClassDef() as owner):
                return self._class(owner, module)
            case Place(module, ast.expr() as alias) if alias not in self._inside:
                return self.schema(alias, module)
        return ANYTHING

    def _called(self, call: ast.Call, module: Module) -> Schema:
        """Describe `NewType("Name", base)`, `TypeVar("T", bound=base)` and pydantic's `conint(ge=1)`."""
        meaning = self._meaning(call.func, module)
        name = canonical(meaning.name) if isinstance(meaning, External) else ""
        if name == "newtype" and len(call.args) == 2:
            return self.schema(call.args[1], module)
        if name == "typevar":
            return self.schema(next((word.value for word in call.keywords if word.arg == "bound"), None), module)
        if name in known.CALLED:
            said = details.read(ast.Call(ast.Name("Field"), [], call.keywords))
            return details.applied(known.CALLED[name], said)
        return ANYTHING

    def _generic(self, value: ast.expr, inner: ast.expr, module: Module) -> Schema:
        meaning = self._meaning(value, module)
        arguments = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        if not isinstance(meaning, External):
            return self._named(meaning)
        match canonical(meaning.name):
            case "annotated":
                return self._annotated(arguments, module)
            case "literal":
                return self._literal(arguments, module)
            case "optional":
                return self._union([*_alternatives(inner), ast.Constant(None)], module)
            case "union":
                return self._union(arguments, module)
            case name if name in known.WRAPPERS:
                return self.schema(arguments[-1], module)
            case name:
                return self._container(name, arguments, module)

    def _container(self, name: str, arguments: list[ast.expr], module: Module) -> Schema:
        if name in known.LISTS:
            return {"type": "array", "items": self.schema(arguments[0], module)}
        if name in known.SETS:
            return {"type": "array", "items": self.schema(arguments[0], module), "uniqueItems": True}
        if name in known.MAPPINGS:
            return self._mapping(arguments, module)
        if name in known.TUPLES:
            return self._tuple(arguments, module)
        return _bare(name)

    def _mapping(self, arguments: list[ast.expr], module: Module) -> Schema:
        schema: Schema = {"type": "object"}
        keys = self.schema(arguments[0], module)
        if "enum" in keys:
            schema["propertyNames"] = {"enum": [key for key in keys["enum"] if isinstance(key, str)]}
        if len(arguments) > 1:
            schema["additionalProperties"] = self.schema(arguments[1], module)
        return schema

    def _tuple(self, arguments: list[ast.expr], module: Module) -> Schema:
        if len(arguments) == 2 and _is_ellipsis(arguments[1]):
            return {"type": "array", "items": self.schema(arguments[0], module)}
        if any(isinstance(argument, ast.Starred) for argument in arguments):
            return {"type": "array"}
        items = [self.schema(argument, module) for argument in arguments]
        schema: Schema = {"type": "array", "minItems": len(items), "maxItems": len(items)}
        return {**schema, "prefixItems": items} if items else schema

    def _annotated(self, arguments: list[ast.expr], module: Module) -> Schema:
        schema = self.schema(arguments[0], module)
        for metadata in arguments[1:MOST_ANNOTATIONS]:
            schema = details.applied(schema, details.read(metadata))
        return schema

    def _union(self, alternatives: list[ast.expr], module: Module) -> Schema:
        if len(alternatives) > MOST_BRANCHES:
            return ANYTHING
        branches: list[Schema] = []
        for alternative in alternatives:
            schema = self.schema(alternative, module)
            branches += [one for one in _branches(schema) if one not in branches]
        if ANYTHING in branches or len(branches) > MOST_BRANCHES:
            return ANYTHING
        return branches[0] if len(branches) == 1 else {"anyOf": branches}

    def _literal(self, arguments: list[ast.expr], module: Module) -> Schema:
        values: list[object] = []
        for argument in arguments[: MOST_VALUES + 1]:
            found = self.value(argument, module)
            if not found.is_shown:
                nested = self.schema(argument, module).get("enum")
                if nested is None:
                    return ANYTHING
                values += nested
            else:
                values.append(found.value)
        return {"enum": values} if len(values) <= MOST_VALUES else ANYTHING

    def value(self, expression: ast.expr, module: Module) -> Default:
        """Return what an expression is in JSON: a literal, or a member of an enumeration."""
        found = literal(expression)
        parts = dotted(expression)
        if found.is_shown or len(parts) < 2:
            return found
        owner = self._library.meaning(parts[:-1], module)
        match owner:
            case Place(where, ast.ClassDef() as enum) if classes.sort_of(enum, where, self._library) is Sort.ENUM:
                values = classes.enum_values(enum, where, self._library)
                return shown_default(values[parts[-1]]) if parts[-1] in values else NOT_SHOWN
        return NOT_SHOWN

    def _class(self, owner: ast.ClassDef, module: Module) -> Schema:
        sort = classes.sort_of(owner, module, self._library)
        if sort is Sort.ENUM:
            return classes.enum_schema(owner, module, self._library)
        if sort is Sort.OTHER or owner in self._inside:
            return ANYTHING
        self._inside.append(owner)
        try:
            return self._object(owner, module)
        finally:
            self._inside.pop()

    def _object(self, owner: ast.ClassDef, module: Module) -> Schema:
        found = classes.fields(owner, module, self._library).values()
        docs = classes.docs_of(owner)
        schema: Schema = {"type": "object", "title": owner.name}
        if docs.summary:
            schema["description"] = docs.summary
        schema["properties"] = {one.name: self._property(one, docs.parameters.get(one.name, "")) for one in found}
        schema["required"] = [one.name for one in found if one.is_required]
        schema["additionalProperties"] = classes.lets_more_in(owner, module, self._library)
        schema["x-order"] = [one.name for one in found]
        return schema

    def _property(self, one: classes.Field, description: str) -> Schema:
        schema = self.schema(one.annotation, one.module)
        default = one.default
        if one.expression is not None and not default.is_shown and default.exists:
            default = self.value(one.expression, one.module)
        return described(schema, one.name, description, default, one.said)


def described(
    schema: Schema, name: str, description: str, default: Default, said: details.Details | None = None
) -> Schema:
    """Return the schema of a parameter or field with what is known of it by name: title, words, default."""
    if said:
        schema = details.applied(schema, said)
    schema = {**schema, "title": (said and said.title) or titled(name)}
    if description and not (said and said.description):
        schema["description"] = storable(description)
    if default.exists and default.is_shown:
        schema = _with_null(schema) if default.value is None else schema
        return {**schema, "default": default.value}
    return {**schema, "x-default-hidden": True} if default.exists else schema


def _with_null(schema: Schema) -> Schema:
    """Let a parameter be null that is null by default, though its annotation forgets to say so."""
    if "anyOf" in schema:
        return schema if NULL in schema["anyOf"] else {**schema, "anyOf": [*schema["anyOf"], NULL]}
    if not {"type", "enum"} & schema.keys() or schema.get("type") == "null" or None in schema.get("enum", ()):
        return schema
    said = {"title", "description", "x-pattern"}
    inner = {key: value for key, value in schema.items() if key not in said}
    return {"anyOf": [inner, NULL], **{key: value for key, value in schema.items() if key in said}}


def titled(name: str) -> str:
    """Return a name as a label: `due_date` becomes `Due date`."""
    words = name.replace("_", " ").strip() or name
    return words[:1].upper() + words[1:]


def _bare(name: str) -> Schema:
    """Return the schema of a type of which only the name is given."""
    if name in known.LISTS | known.TUPLES:
        return {"type": "array"}
    if name in known.SETS:
        return {"type": "array", "uniqueItems": True}
    if name in known.MAPPINGS:
        return {"type": "object"}
    return known.SCALARS.get(name, ANYTHING)


def _branches(schema: Schema) -> list[Schema]:
    """Return the alternatives of a plain union, so that unions in unions become one."""
    return list(schema["anyOf"]) if set(schema) == {"anyOf"} else [schema]


def _alternatives(expression: ast.expr) -> list[ast.expr]:
    """Return `a | b | c` as a list, left to right, however long it is."""
    found: list[ast.expr] = []
    while isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.BitOr):
        found.append(expression.right)
        expression = expression.left
    return [expression, *reversed(found)]


def _is_ellipsis(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Constant) and expression.value is Ellipsis
