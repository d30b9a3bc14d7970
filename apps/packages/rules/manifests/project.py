"""`bvproject.yaml`, nested under `project:` or flat."""

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from apps.packages.rules.limits import Limits
from apps.packages.rules.manifests import identity
from apps.packages.rules.manifests.commands import read_entrypoints
from apps.packages.rules.manifests.located import Document, Located
from apps.packages.rules.manifests.manifest import Entrypoint, Kind
from apps.packages.rules.problems import shown

DESCRIPTION_LENGTH = 2_000
_PYTHON = re.compile(r"[23](\.(0|[1-9][0-9]?)(\.(0|[1-9][0-9]?))?)?")


@dataclass(frozen=True, slots=True)
class Project:
    """What `bvproject.yaml` says; a name or version that is wrong is empty, a wrong entrypoint is left out."""

    name: str = ""
    version: str = ""
    kind: Kind = Kind.RPA
    description: str = ""
    python_version: str = ""
    entrypoints: tuple[Entrypoint, ...] = ()
    dependencies: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether enough of it was right to be called a project."""
        return bool(self.name and self.version) and any(one.is_default for one in self.entrypoints)


def read_project(root: Located, document: Document, limits: Limits) -> Project:
    """Return what the file says, telling everything that is wrong with it."""
    project = root.fields.get("project", root)
    if not isinstance(project.value, dict):
        document.error("bvproject", f"A mapping with name, version, … is expected, not {project.kind}.", project)
        return Project()
    return Project(
        name=_name(project, document),
        version=_version(project, document),
        kind=_kind(project, document),
        description=_description(project, document),
        python_version=_python_version(project, document),
        entrypoints=read_entrypoints(project, document, limits),
        dependencies=_dependencies(project, document),
    )


def _name(project: Located, document: Document) -> str:
    at = project.fields.get("name", project)
    if at is not project and at.value is not None and not isinstance(at.value, str):
        document.error("name", f"name must be text: write it in quotes, not {at.kind}.", at)
        return ""
    name = at.value if at is not project and isinstance(at.value, str) else ""
    wrong = identity.name_problem(name)
    if wrong:
        given = f", not {at.kind}" if name else ""
        document.error("name", f"{wrong}{given}. Use letters, digits, '-' and '_'.", at)
        return ""
    return name


def _version(project: Located, document: Document) -> str:
    at = project.fields.get("version", project)
    if at is not project and at.value is not None and not isinstance(at.value, str):
        document.error("version", f"version must be text: write it in quotes, as in '1.0.0', not {at.kind}.", at)
        return ""
    version = at.value if at is not project and isinstance(at.value, str) else ""
    wrong = identity.version_problem(version)
    if wrong:
        given = f", not {at.kind}" if version else ""
        document.error("version", f"{wrong}{given}. Three whole numbers, without a suffix.", at)
        return ""
    return version


def _kind(project: Located, document: Document) -> Kind:
    at = project.fields.get("type")
    if at is None or at.value is None:
        return Kind.RPA
    if at.value not in list(Kind):
        document.error("type", f"type must be rpa or agent, not {at.kind}.", at)
        return Kind.RPA
    return Kind(str(at.value))


def _description(project: Located, document: Document) -> str:
    at = project.fields.get("description")
    if at is None or at.value is None:
        return ""
    if at.text is None:
        document.warning("description", f"description must be text, not {at.kind}; it is left out.", at)
        return ""
    if len(at.text) > DESCRIPTION_LENGTH:
        document.warning("description", f"description is cut off after {DESCRIPTION_LENGTH:,} characters.", at)
    return at.text[:DESCRIPTION_LENGTH]


def _python_version(project: Located, document: Document) -> str:
    at = project.fields.get("python_version")
    if at is None or at.value is None or at.value == "":
        return ""
    text = (at.text or "").strip()
    if not isinstance(at.value, str) and text:
        document.warning("python_version", f"python_version should be in quotes: '{text}'. YAML reads a number.", at)
    if not _is_python_version(text):
        document.warning("python_version", f"python_version must be like '3.11' or '>=3.10', not {at.kind}.", at)
        return ""
    return text


def _is_python_version(text: str) -> bool:
    if _PYTHON.fullmatch(text):
        return True
    try:
        return bool(text) and len(text) <= 100 and bool(SpecifierSet(text))
    except InvalidSpecifier:
        return False


def _dependencies(project: Located, document: Document) -> tuple[str, ...]:
    at = project.fields.get("dependencies")
    if at is None or at.value is None:
        return ()
    if not isinstance(at.value, list) or not all(isinstance(item.value, str) for item in at.items):
        document.warning("dependencies", "dependencies must be a list of texts; it is left out.", at)
        return ()
    return tuple(shown(str(item.value), 300) for item in at.items)
