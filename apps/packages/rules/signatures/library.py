"""The Python modules of one package: found in its archive, parsed when first asked for, within a budget of bytes."""

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apps.packages.rules.archives import Archive, Damaged, TooBig
from apps.packages.rules.limits import KIB, Limits
from apps.packages.rules.signatures.modules import Definition, Imported, Module, index
from apps.packages.rules.signatures.sources import Unparsable, parse

MOST_STEPS = 60  # from import to import and from alias to alias, for one name
MOST_STEPS_IN_ALL = 50_000  # for all types of one package
_TOKEN = re.compile(rb"[\w\x80-\xff]+|[^\w\s]")
MOST_PARTS = 20  # of one dotted name


@dataclass(frozen=True, slots=True)
class Place:
    """Something defined inside the package, and the module whose names it is to be read with."""

    module: Module
    definition: Definition


@dataclass(frozen=True, slots=True)
class External:
    """Something that the package takes from elsewhere: the standard library, or another package. A dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class ModuleName:
    """A module, of the package or not."""

    name: str


Meaning = Place | External | ModuleName | None


class Library:
    """Modules by dotted name, and what a name inside one of them means."""

    def __init__(self, archive: Archive, root: str, limits: Limits) -> None:
        self._archive = archive
        self._root = root
        self._limits = limits
        self._bytes_left = limits.all_source_bytes
        self._tokens_left = limits.all_source_tokens
        self._modules: dict[str, Module | Unparsable] = {}
        self._steps = 0
        self._steps_in_all = MOST_STEPS_IN_ALL
        self.unparsable: dict[str, Unparsable] = {}  # by file, as far as anything was looked for in it
        self.remembered: dict[tuple[str, ast.ClassDef], Any] = {}  # what was found out about classes

    def file_of(self, module: str) -> str | None:
        """Return the file that holds a module, or nothing where it is not of this package."""
        path = self._root + module.replace(".", "/")
        candidates = (f"{path}.py", f"{path}/__init__.py")
        return next((file for file in candidates if file in self._archive.listed), None) if module else None

    @cached_property
    def module_names(self) -> list[str]:
        """The dotted names of all modules of the package."""
        files = (name.removeprefix(self._root) for name in self._archive.names if name.endswith(".py"))
        return [file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in files]

    def load(self, name: str) -> Module:
        """Return a module of the package, or raise `Unparsable` (the same one each time)."""
        if name not in self._modules:
            self._modules[name] = self._loaded(name)
        found = self._modules[name]
        if isinstance(found, Unparsable):
            raise found
        return found

    def _loaded(self, name: str) -> Module | Unparsable:
        file = self.file_of(name)
        if file is None:
            return Unparsable("missing_module", f"The module '{name}' is not in the package.")
        try:
            return index(self.parse_file(file), name, file)
        except Unparsable as error:
            self.unparsable[file] = error
            return error

    def has_file(self, file: str) -> bool:
        return file in self._archive.listed

    def parse_file(self, file: str) -> ast.Module:
        """Return the syntax tree of a file of the archive, or raise `Unparsable`."""
        most = min(self._limits.source_bytes, self._bytes_left)
        try:
            raw = self._archive.read(file, most)
        except TooBig as error:
            raise _too_big(f"{most // KIB:,} KiB") from error
        except (Damaged, KeyError) as error:
            raise Unparsable("unreadable", "The file cannot be read; see the other problems.") from error
        tokens = sum(1 for _ in _TOKEN.finditer(raw))
        most = min(self._limits.source_tokens, self._tokens_left)
        if tokens > most:
            raise _too_big(f"{most:,} words and signs")
        self._bytes_left -= len(raw)
        self._tokens_left -= tokens
        return parse(raw)

    def meaning(self, parts: list[str], module: Module) -> Meaning:
        """Return what a dotted name, split at its dots, means inside `module`.

        Nothing comes of a name that leads round in a circle, or too far, nor once all of them together have led too
        far: `is_exhausted` tells.
        """
        if self.is_exhausted:
            return None
        self._steps = MOST_STEPS
        found = self._meaning(parts, module)
        self._steps_in_all -= MOST_STEPS - self._steps
        return found

    def function(self, name: str, module: Module) -> Meaning:
        """Return what an entrypoint's function is; this much is found out however far names have led already."""
        self._steps = MOST_STEPS
        return self._name(name, module)

    def has_other_names(self, module: Module) -> bool:
        """Whether a module takes all names of another that is not of this package."""
        return any(self.file_of(star) is None for star in module.stars)

    @property
    def is_exhausted(self) -> bool:
        """Whether so many names have been followed that no more will be."""
        return self._steps_in_all <= 0

    def _meaning(self, parts: list[str], module: Module) -> Meaning:
        found = self._name(parts[0], module)
        for part in parts[1:]:
            found = self._attribute(found, part)
        return found

    def _name(self, name: str, module: Module) -> Meaning:
        self._steps -= 1
        if self._steps < 0:
            return None
        definition = module.definitions.get(name)
        if definition is None:
            return self._starred(name, module)
        if isinstance(definition, Imported):
            return self._imported(definition)
        if isinstance(definition, ast.Name | ast.Attribute) and (parts := dotted(definition)) and parts != [name]:
            return self._meaning(parts, module)
        return Place(module, definition)

    def _imported(self, imported: Imported) -> Meaning:
        if not imported.name:
            return ModuleName(imported.module)
        return self._attribute(ModuleName(imported.module), imported.name)

    def _starred(self, name: str, module: Module) -> Meaning:
        for star in module.stars:
            found = self._attribute(ModuleName(star), name) if self.file_of(star) else None
            if isinstance(found, Place):
                return found
        return External(f"builtins.{name}")

    def _attribute(self, owner: Meaning, name: str) -> Meaning:
        match owner:
            case External(dotted_name):
                return External(f"{dotted_name}.{name}")
            case ModuleName(module):
                return self._of_module(module, name)
            case Place(module, ast.ClassDef() as definition):
                return _of_class(definition, name, module)
        return None

    def _of_module(self, module: str, name: str) -> Meaning:
        if self.file_of(module) is None:
            inner = f"{module}.{name}" if module else name
            is_ours = self.file_of(inner) is not None
            return ModuleName(inner) if is_ours or self._is_folder(inner) else External(inner)
        try:
            loaded = self.load(module)
        except Unparsable:
            return None
        definition = loaded.definitions.get(name)
        is_submodule = self.file_of(f"{module}.{name}") is not None
        if not is_submodule or definition not in (None, Imported(module, name)):  # the latter: `from . import name`
            found = self._name(name, loaded)
            return None if isinstance(found, External) and found.name.startswith("builtins.") else found
        return ModuleName(f"{module}.{name}")

    def _is_folder(self, module: str) -> bool:
        folder = self._root + module.replace(".", "/") + "/"
        return any(name.startswith(folder) for name in self._archive.listed)


def _too_big(most: str) -> Unparsable:
    return Unparsable(
        "source_too_big",
        f"The file is too big to be read for signatures: at most {most}, of this and what it imports. "
        "Keep entrypoints in small modules.",
    )


def _of_class(owner: ast.ClassDef, name: str, module: Module) -> Place | None:
    for statement in owner.body:
        match statement:
            case ast.ClassDef(name=found) if found == name:
                return Place(module, statement)
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return Place(module, value)
    return None


def dotted(expression: ast.expr) -> list[str]:
    """Return the parts of `a.b.c`, or an empty list for any other expression."""
    parts: list[str] = []
    while isinstance(expression, ast.Attribute):
        parts.append(expression.attr)
        expression = expression.value
    if not isinstance(expression, ast.Name) or len(parts) >= MOST_PARTS:
        return []
    return [expression.id, *reversed(parts)]
