"""Entrypoints as `bvproject.yaml` lists them, and their commands: `module:function` or the path of a script."""

import keyword
import re

from apps.packages.rules.limits import Limits
from apps.packages.rules.manifests.located import Document, Located
from apps.packages.rules.manifests.manifest import Entrypoint
from apps.packages.rules.problems import shown

NAME_LENGTH = 100
COMMAND_LENGTH = 300
_NAME = re.compile(r"[\w](?:[\w .:()+-]*[\w)])?")


def read_entrypoints(project: Located, document: Document, limits: Limits) -> tuple[Entrypoint, ...]:
    """Return the entrypoints of a project that are sound, telling what is wrong with the others."""
    listed = project.fields.get("entrypoints")
    if listed is None or listed.value is None:
        return _single(project, document)
    if not isinstance(listed.value, list) or not listed.items:
        document.error("entrypoints", f"entrypoints must be a list with at least one entry, not {listed.kind}.", listed)
        return ()
    if len(listed.items) > limits.entrypoints:
        document.error("entrypoints", f"At most {limits.entrypoints} entrypoints are accepted.", listed)
        return ()
    found = [entrypoint for item in listed.items if (entrypoint := _entrypoint(item, document))]
    _check_names(found, listed, document)
    return _with_default(found, listed, document)


def _single(project: Located, document: Document) -> tuple[Entrypoint, ...]:
    """Read the one `entrypoint` that projects had before they had a list."""
    only = project.fields.get("entrypoint")
    if only is None or only.value is None:
        document.error("entrypoints", "entrypoints is missing: list at least one, with a name and a command.", project)
        return ()
    command = _command(only, document)
    return (Entrypoint("main", command, is_default=True, line=only.line),) if command else ()


def _entrypoint(item: Located, document: Document) -> Entrypoint | None:
    if not isinstance(item.value, dict):
        document.error("entrypoints", f"An entrypoint must have a name and a command, not be {item.kind}.", item)
        return None
    name, command = _name(item, document), _command(item.fields.get("command"), document, item)
    is_default = _default(item, document)
    _check_workdir(item, document)
    return Entrypoint(name, command, is_default, item.line) if name and command else None


def _name(item: Located, document: Document) -> str:
    at = item.fields.get("name", item)
    name = at.text if at is not item else None
    if name is None:
        document.error("entrypoint_name", "An entrypoint must have a name, as text.", at)
        return ""
    if not _NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        document.error(
            "entrypoint_name",
            f"'{shown(name, 50)}' cannot be an entrypoint's name: use letters, digits, spaces and . : ( ) + - _, "
            f"at most {NAME_LENGTH}.",
            at,
        )
        return ""
    return name


def _default(item: Located, document: Document) -> bool:
    at = item.fields.get("default")
    if at is None or at.value is None:
        return False
    if not isinstance(at.value, bool):
        document.error("entrypoint_default", f"default must be true or false, not {at.kind}.", at)
        return False
    return at.value


def _check_workdir(item: Located, document: Document) -> None:
    at = item.fields.get("workdir")
    if at is not None and at.value not in {None, "", ".", "./"}:
        document.warning("workdir_unused", "workdir is not used: every job runs in the root of its package.", at)


def _command(at: Located | None, document: Document, owner: Located | None = None) -> str:
    text = at.value if at is not None else None
    if at is None or not isinstance(text, str):
        place = at or owner
        if place is not None:
            document.error("command", "An entrypoint must have a command: 'module:function' or a '.py' file.", place)
        return ""
    wrong = command_problem(text)
    if wrong:
        document.error("command", wrong, at)
        return ""
    return text


def command_problem(command: str) -> str:
    """Return why this cannot be an entrypoint's command, or nothing."""
    if len(command) > COMMAND_LENGTH:
        return f"A command must have at most {COMMAND_LENGTH} characters."
    if command.endswith(".py"):
        return _script_problem(command)
    module, colon, function = command.partition(":")
    if not colon:
        return f"'{shown(command, 80)}' must be 'module:function' or the path of a '.py' file."
    if "/" in module or module.endswith(".py"):
        right = module.removeprefix("./").removesuffix(".py").replace("/", ".")
        return f"Write the module with dots: '{shown(f'{right}:{function}', 80)}', not '{shown(command, 80)}'."
    if not all(map(_is_identifier, module.split("."))):
        return f"'{shown(module, 80)}' is not the dotted name of a module."
    if not _is_identifier(function):
        return f"'{shown(function, 80)}' is not the name of a function at the top of a module."
    return ""


def _script_problem(command: str) -> str:
    parts = command.split("/")
    if "\\" in command or ":" in command or any(part in {"", ".", ".."} for part in parts):
        return f"'{shown(command, 80)}' must be a path within the package, such as 'scripts/nightly.py'."
    return ""


def _is_identifier(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _check_names(found: list[Entrypoint], listed: Located, document: Document) -> None:
    seen: set[str] = set()
    for entrypoint in found:
        if entrypoint.name in seen:
            at = Located(None, entrypoint.line or listed.line, listed.column)
            document.error("entrypoint_name", f"Two entrypoints are called '{entrypoint.name}'; rename one.", at)
        seen.add(entrypoint.name)


def _with_default(found: list[Entrypoint], listed: Located, document: Document) -> tuple[Entrypoint, ...]:
    """Make the only entrypoint the default one, or else insist on exactly one."""
    if len(listed.items) == 1 and found:
        return (Entrypoint(found[0].name, found[0].command, is_default=True, line=found[0].line),)
    marked = [entrypoint for entrypoint in found if entrypoint.is_default]
    if len(marked) != 1 and len(found) == len(listed.items):
        told = ", ".join(f"'{entrypoint.name}'" for entrypoint in marked) or "none"
        document.error("entrypoint_default", f"Exactly one entrypoint must have 'default: true'; now {told}.", listed)
    return tuple(found)
