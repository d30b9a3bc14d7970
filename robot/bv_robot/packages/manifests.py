"""Reading ``bvproject.yaml``, with every problem it has and the line it is in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILE = "bvproject.yaml"
NAME = re.compile(r"[A-Za-z0-9_-]+")
VERSION = re.compile(r"\d+\.\d+\.\d+")
FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

Where = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """Something that has to be put right, and where. Line 0 means the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(frozen=True)
class Entrypoint:
    name: str
    command: str
    is_default: bool
    line: int


@dataclass
class Manifest:
    """What a project says about itself, as far as it could be read."""

    name: str = ""
    version: str = ""
    kind: str = "rpa"
    python_version: str = ""
    venv: str = ".venv"
    dependencies: list[str] = field(default_factory=list)
    entrypoints: list[Entrypoint] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, line: int, message: str) -> None:
        self.problems.append(Problem(FILE, line, message))

    def default_entrypoint(self) -> Entrypoint:
        """The entrypoint that runs when none is named. Only a manifest without problems surely has one."""
        return next(entrypoint for entrypoint in self.entrypoints if entrypoint.is_default)


def read(folder: Path) -> Manifest:
    """Read a project's manifest, flat or nested under ``project``."""
    manifest = Manifest()
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
        document = _Document(text)
    except FileNotFoundError:
        manifest.complain(0, "is missing")
        return manifest
    except UnicodeDecodeError:
        manifest.complain(0, "is not UTF-8")
        return manifest
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        manifest.complain(mark.line + 1 if mark else 0, f"is not YAML: {getattr(error, 'problem', None) or error}")
        return manifest
    _read_document(document, manifest)
    return manifest


class _Document:
    """A YAML document that remembers the line of each of its values."""

    def __init__(self, text: str) -> None:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        self.value: Any = loader.construct_document(node) if node else None
        self.twice: list[tuple[int, str]] = []
        self._lines: dict[Where, int] = {}
        if node:
            self._walk(node, ())

    def line(self, where: Where) -> int:
        """The line of a value, or that of the nearest thing around it."""
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where, 1)

    def _walk(self, node: yaml.Node, where: Where) -> None:
        self._lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._walk_pair(key, value, where)
        elif isinstance(node, yaml.SequenceNode):
            for index, part in enumerate(node.value):
                self._walk(part, (*where, index))

    def _walk_pair(self, key: yaml.Node, value: yaml.Node, where: Where) -> None:
        inside = (*where, str(key.value))
        if inside in self._lines:
            self.twice.append((key.start_mark.line + 1, str(key.value)))
        self._lines[inside] = key.start_mark.line + 1
        self._walk(value, inside)


def _read_document(document: _Document, manifest: Manifest) -> None:
    for line, key in document.twice:
        manifest.complain(line, f"{key} is given twice")
    if not isinstance(document.value, dict):
        manifest.complain(1, "should hold names and values")
        return
    at: Where = ("project",) if isinstance(document.value.get("project"), dict) else ()
    project = document.value["project"] if at else document.value
    _read_names(project, at, document, manifest)
    _read_entrypoints(project, at, document, manifest)


def _read_names(project: dict[str, Any], at: Where, document: _Document, manifest: Manifest) -> None:
    name, version = project.get("name"), project.get("version")
    if isinstance(name, str) and NAME.fullmatch(name):
        manifest.name = name
    else:
        manifest.complain(document.line((*at, "name")), "name should be letters, digits, _ and -")
    if isinstance(version, str) and VERSION.fullmatch(version):
        manifest.version = version
    elif version is not None and not isinstance(version, str):
        manifest.complain(document.line((*at, "version")), f'version should be quoted: version: "{version}"')
    else:
        manifest.complain(document.line((*at, "version")), "version should be three numbers, such as 1.0.0")
    manifest.kind = str(project.get("type") or "rpa")
    if manifest.kind not in {"rpa", "agent"}:
        manifest.complain(document.line((*at, "type")), "type should be rpa or agent")
    manifest.python_version = str(project.get("python_version") or "")
    manifest.venv = str(project.get("venv_dir") or ".venv")
    dependencies = project.get("dependencies") or []
    if isinstance(dependencies, list) and all(isinstance(one, str) for one in dependencies):
        manifest.dependencies = dependencies
    else:
        manifest.complain(document.line((*at, "dependencies")), "dependencies should be a list of requirements")


def _read_entrypoints(project: dict[str, Any], at: Where, document: _Document, manifest: Manifest) -> None:
    listed = project.get("entrypoints")
    if listed is None and isinstance(project.get("entrypoint"), str):
        line = document.line((*at, "entrypoint"))
        manifest.entrypoints = [Entrypoint("main", project["entrypoint"], True, line)]
        return
    inside = (*at, "entrypoints")
    if not isinstance(listed, list) or not listed:
        manifest.complain(document.line(inside), "entrypoints should be a list of at least one")
        return
    for index, given in enumerate(listed):
        _read_entrypoint(given, document.line((*inside, index)), manifest)
    _check_defaults(manifest, document.line(inside))


def _read_entrypoint(given: Any, line: int, manifest: Manifest) -> None:
    name, command = (given.get("name"), given.get("command")) if isinstance(given, dict) else (None, None)
    if not (isinstance(name, str) and name and isinstance(command, str) and command):
        manifest.complain(line, "an entrypoint has a name and a command")
        return
    if not (FUNCTION.fullmatch(command) or command.endswith(".py")):
        manifest.complain(line, f"the command {command!r} should be module:function or a .py file")
        return
    if name in {entrypoint.name for entrypoint in manifest.entrypoints}:
        manifest.complain(line, f"the entrypoint {name} is there twice")
    manifest.entrypoints.append(Entrypoint(name, command, given.get("default") is True, line))


def _check_defaults(manifest: Manifest, line: int) -> None:
    """Exactly one default; an only entrypoint is it without saying so."""
    if len(manifest.entrypoints) == 1 and not manifest.entrypoints[0].is_default:
        only = manifest.entrypoints[0]
        manifest.entrypoints = [Entrypoint(only.name, only.command, True, only.line)]
    elif manifest.entrypoints and sum(one.is_default for one in manifest.entrypoints) != 1:
        manifest.complain(line, "exactly one entrypoint should have default: true")
