"""Finding the function of an entrypoint, and reading its signature."""

import ast
import json
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import accumulate

from apps.packages.rules.limits import Limits
from apps.packages.rules.manifests import PROJECT, Entrypoint
from apps.packages.rules.problems import Findings, shown
from apps.packages.rules.signatures import details, docstrings
from apps.packages.rules.signatures.annotations import Allowance, Describer, described
from apps.packages.rules.signatures.known import Schema
from apps.packages.rules.signatures.library import External, Library, ModuleName, Place
from apps.packages.rules.signatures.literals import NONE_GIVEN, Default, is_small, storable
from apps.packages.rules.signatures.modules import Module
from apps.packages.rules.signatures.signature import COLLECTED, DIALECT, Parameter, Passing, Signature
from apps.packages.rules.signatures.sources import Unparsable

MOST_ANNOTATION_NODES = 200
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Reader:
    """Reads the signatures of the entrypoints of one package, telling what is wrong with them."""

    def __init__(self, library: Library, root: str, limits: Limits, findings: Findings, *, is_newer: bool) -> None:
        self._library = library
        self._root = root
        self._limits = limits
        self._findings = findings
        self._is_newer = is_newer  # the package is for a newer Python than the one that parses it here
        self._left = limits.all_schema_nodes

    def read(self, entrypoint: Entrypoint) -> Signature | None:
        """Return the signature of an entrypoint, or nothing where there is no such script or function."""
        if entrypoint.script is not None:
            return self._script(entrypoint, entrypoint.script)
        return self._function(entrypoint, entrypoint.module or "", entrypoint.function or "")

    def _script(self, entrypoint: Entrypoint, script: str) -> Signature | None:
        file = self._root + script
        if not self._library.has_file(file):
            self._missing(entrypoint, "missing_script", f"The script '{script}' is not in the package.")
            return None
        try:
            self._library.parse_file(file)
        except Unparsable as error:
            self._tell(error, file)
        return Signature(file=file, line=1)

    def _function(self, entrypoint: Entrypoint, module_name: str, name: str) -> Signature | None:
        file = self._library.file_of(module_name)
        if file is None:
            self._missing(entrypoint, "missing_module", self._no_module(module_name))
            return None
        try:
            module = self._library.load(module_name)
        except Unparsable:
            return Signature(file=file)  # `tell_unparsable` says why
        return self._found(entrypoint, name, module)

    def _no_module(self, name: str) -> str:
        path = name.replace(".", "/")
        return (
            f"The module '{name}' is not in the package: there is neither {path}.py nor {path}/__init__.py."
            + _perhaps(name, self._library.module_names)
        )

    def _found(self, entrypoint: Entrypoint, name: str, module: Module) -> Signature | None:
        match self._library.function(name, module):
            case Place(where, ast.FunctionDef() | ast.AsyncFunctionDef() as function):
                return self._described(function, where)
            case Place(_, ast.ClassDef() as owner):
                message = f"'{name}' is a class; an entrypoint must be a function."
                self._findings.error("not_a_function", message, module.file, owner.lineno)
                return None
            case ModuleName():
                self._findings.error("not_a_function", f"'{name}' is a module; name a function in it.", module.file)
                return None
            case External(other) if other.startswith("builtins.") and not self._library.has_other_names(module):
                message = f"There is no function '{name}' in this module.{_perhaps(name, module.functions)}"
                self._findings.error("missing_function", f"Entrypoint '{entrypoint.name}': {message}", module.file)
                return None
        self._unknown(entrypoint, module.file)
        return Signature(file=module.file)

    def _unknown(self, entrypoint: Entrypoint, file: str) -> None:
        self._findings.warning(
            "signature_unknown",
            f"What '{entrypoint.command}' takes cannot be told from the source; jobs may have any parameters.",
            file,
        )

    def _missing(self, entrypoint: Entrypoint, code: str, message: str) -> None:
        self._findings.error(code, message, self._root + PROJECT, entrypoint.line)

    def tell_unparsable(self) -> None:
        """Report every module in which something had to be looked for, and that could not be parsed."""
        for file, error in self._library.unparsable.items():
            self._tell(error, file)

    def _tell(self, error: Unparsable, file: str) -> None:
        """Report what cannot be parsed; only a warning where the package is for a Python that may parse it."""
        if error.code == "syntax_error" and self._is_newer:
            message = f"{error} The package is for a newer Python than this server's: its parameters are not checked."
            self._findings.warning("newer_python", message, file, error.line, error.column)
        elif error.code != "unreadable":
            self._findings.error(error.code, str(error), file, error.line, error.column)

    def _described(self, function: Function, module: Module) -> Signature | None:
        if sum(1 for _ in _arguments(function.args)) > self._limits.parameters:
            self._findings.error(
                "too_many_parameters",
                f"'{function.name}' takes more than the {self._limits.parameters} parameters accepted.",
                module.file,
                function.lineno,
            )
            return None
        allowance = Allowance(min(self._limits.schema_nodes, self._left))
        granted = allowance.nodes
        describer = Describer(self._library, self._limits.schema_depth, allowance)
        signature = read_signature(function, module, describer)
        self._left -= granted - max(0, allowance.nodes)
        if not _fits(signature, self._limits.schema_bytes):
            signature = Signature(description=signature.description, file=module.file, line=function.lineno)
            allowance.is_used_up = True
        if allowance.is_used_up or self._library.is_exhausted:
            self._findings.warning(
                "signature_cut",
                f"The types of '{function.name}' are too big to be described in full; parts of them let anything in.",
                module.file,
                function.lineno,
            )
        return signature


def _fits(signature: Signature, most: int) -> bool:
    """Whether the schemas stay below a size; no more of them is written out than it takes to tell."""
    pieces = json.JSONEncoder().iterencode([signature.input_schema, signature.output_schema])
    return all(size <= most for size in accumulate(map(len, pieces)))


def _perhaps(name: str, known: list[str]) -> str:
    nearest = get_close_matches(name[:100], [one for one in known[:300] if len(one) <= 100], 3)
    return f" Did you mean {' or '.join(repr(shown(one, 50)) for one in nearest)}?" if nearest else ""


def read_signature(function: Function, module: Module, describer: Describer) -> Signature:
    """Return the signature of a function that stands in `module`."""
    docs = docstrings.parse(ast.get_docstring(function, clean=False))
    parameters = tuple(_parameter(*one, docs, module, describer) for one in _arguments(function.args))
    output = describer.schema(function.returns, module) if function.returns else None
    if output is not None and docs.returns:
        output = {**output, "description": docs.returns}
    return Signature(
        parameters=parameters,
        input_schema=input_schema(parameters, docs.summary),
        output_schema=output if output is None else {"$schema": DIALECT, **output},
        description=docs.summary,
        is_async=isinstance(function, ast.AsyncFunctionDef),
        is_known=True,
        file=module.file,
        line=function.lineno,
    )


def _arguments(arguments: ast.arguments) -> Iterator[tuple[ast.arg, Passing, ast.expr | None]]:
    by_place = [
        *((one, Passing.POSITIONAL_ONLY) for one in arguments.posonlyargs),
        *((one, Passing.POSITIONAL) for one in arguments.args),
    ]
    without = len(by_place) - len(arguments.defaults)
    for place, (one, passing) in enumerate(by_place):
        yield one, passing, arguments.defaults[place - without] if place >= without else None
    if arguments.vararg:
        yield arguments.vararg, Passing.VARARGS, None
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield one, Passing.KEYWORD_ONLY, default
    if arguments.kwarg:
        yield arguments.kwarg, Passing.VARKW, None


def _parameter(
    argument: ast.arg,
    passing: Passing,
    written: ast.expr | None,
    docs: docstrings.Docs,
    module: Module,
    describer: Describer,
) -> Parameter:
    schema = describer.schema(argument.annotation, module)
    said = details.read(written) if written is not None and details.is_field(written) else None
    default = said.default if said else _default(written, module, describer)
    description = docs.parameters.get(argument.arg, "")
    if passing not in COLLECTED:
        schema = described(schema, argument.arg, description, default, said)
    return Parameter(argument.arg, _text(argument.annotation), passing, default, schema)


def _default(written: ast.expr | None, module: Module, describer: Describer) -> Default:
    return NONE_GIVEN if written is None else describer.value(written, module)


def _text(annotation: ast.expr | None) -> str:
    """Return an annotation as it would be written, cut where it is endless."""
    if annotation is None:
        return ""
    return storable(ast.unparse(annotation), 500) if is_small(annotation, MOST_ANNOTATION_NODES) else "…"


def input_schema(parameters: tuple[Parameter, ...], description: str = "") -> Schema:
    """Return the schema of an object with one property for each parameter that has a name; `*args` has none."""
    named = [one for one in parameters if one.passing not in COLLECTED]
    rest = next((one.schema or True for one in parameters if one.passing is Passing.VARKW), False)
    schema: Schema = {"$schema": DIALECT, "type": "object"}
    if description:
        schema["description"] = description
    return {
        **schema,
        "properties": {one.name: one.schema for one in named},
        "required": [one.name for one in named if one.is_required],
        "additionalProperties": rest,
        "x-order": [one.name for one in named],
    }
