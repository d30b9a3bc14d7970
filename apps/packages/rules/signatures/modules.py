"""The names that a module defines at its top, with just enough of each to read a signature from.

Bodies of functions are dropped at once: a syntax tree takes a few hundred times the size of its source.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that comes from another module, or, where `name` is empty, that module itself."""

    module: str
    name: str = ""


_COMPOUND = (
    ast.If,
    ast.Try,
    ast.TryStar,
    ast.With,
    ast.AsyncWith,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Match,
)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr | Imported


@dataclass(frozen=True, slots=True)
class Module:
    """One module of a package. `stars` are the modules from which it imports every name."""

    name: str
    file: str
    definitions: dict[str, Definition] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    @property
    def functions(self) -> list[str]:
        """The names of the functions defined here."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [name for name, found in self.definitions.items() if isinstance(found, kinds)]


def index(tree: ast.Module, name: str, file: str) -> Module:
    """Return what `tree`, the module called `name` (dotted) in `file`, defines at its top."""
    module = Module(name, file)
    package = name if file.endswith("/__init__.py") else name.rpartition(".")[0]
    for statement, is_alternative in _statements(tree.body):
        for target, definition in _defined(statement, package):
            if target == "*" and isinstance(definition, Imported):
                module.stars.append(definition.module)
            elif not is_alternative or target not in module.definitions:
                module.definitions[target] = definition
    return module


def _statements(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield all statements that run with the module, also inside `if`, `try` and `with`.

    What stands under `else` or `except` is only the alternative to something that came before. Chains of `elif` nest
    without bound, so this walks with a stack of its own.
    """
    waiting = [(statement, False) for statement in reversed(body)]
    while waiting:
        statement, is_alternative = waiting.pop()
        yield statement, is_alternative
        if not isinstance(statement, _COMPOUND):
            continue
        inner = [(one, is_alternative) for one in _inside(statement, "body")]
        inner += [(one, True) for part in ("handlers", "orelse", "cases") for one in _inside(statement, part)]
        inner += [(one, is_alternative) for one in _inside(statement, "finalbody")]
        waiting.extend(reversed(inner))


def _inside(statement: ast.stmt, part: str) -> Iterator[ast.stmt]:
    for one in getattr(statement, part, []):
        if isinstance(one, ast.stmt):
            yield one
        else:  # a handler or a case, which is no statement itself
            yield from one.body


def _defined(statement: ast.stmt, package: str) -> Iterator[tuple[str, Definition]]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            if not _is_overload(statement):
                yield statement.name, _without_body(statement)
        case ast.ClassDef():
            yield statement.name, _without_methods(statement)
        case ast.Assign(targets=targets, value=value):
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.Import(names=names):
            for alias in names:
                yield alias.asname or alias.name.partition(".")[0], _whole_module(alias)
        case ast.ImportFrom(names=names):
            source = _source(statement, package)
            yield from ((alias.asname or alias.name, Imported(source, alias.name)) for alias in names)


def _whole_module(alias: ast.alias) -> Imported:
    return Imported(alias.name if alias.asname else alias.name.partition(".")[0])


def _source(statement: ast.ImportFrom, package: str) -> str:
    """Return the dotted name of the module that an import takes from; relative ones start at `package`."""
    if not statement.level:
        return statement.module or ""
    parts = package.split(".") if package else []
    above = parts[: len(parts) - (statement.level - 1)]
    return ".".join([*above, *filter(None, [statement.module])])


def _is_overload(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = (getattr(decorator, "attr", getattr(decorator, "id", "")) for decorator in function.decorator_list)
    return "overload" in names


def _without_body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.FunctionDef | ast.AsyncFunctionDef:
    function.body = [statement for statement in function.body[:1] if isinstance(statement, ast.Expr)]
    return function


def _without_methods(owner: ast.ClassDef) -> ast.ClassDef:
    """Keep docstring, fields and nested classes; nested classes keep theirs, to a depth that no honest one reaches."""
    waiting = [(owner, 0)]
    while waiting:
        current, depth = waiting.pop()
        kept = (ast.Assign, ast.AnnAssign) if depth > 5 else (ast.Assign, ast.AnnAssign, ast.ClassDef)
        docstring = [statement for statement in current.body[:1] if isinstance(statement, ast.Expr)]
        current.body = docstring + [statement for statement in current.body if isinstance(statement, kept)]
        waiting.extend((inner, depth + 1) for inner in current.body if isinstance(inner, ast.ClassDef))
    return owner
