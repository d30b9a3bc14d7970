"""The files that go with `bvproject.yaml`: `entry-points.json`, `manifest.json`, `requirements.lock`.

They repeat what `bvproject.yaml` says, in dialects that differ from one builder to the next. `bvproject.yaml` is
believed; where a companion says otherwise, its author is warned.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from apps.packages.rules.manifests.located import Document, Located, Malformed, decoded
from apps.packages.rules.manifests.project import Project
from apps.packages.rules.problems import Findings, shown

LOCK = "requirements.lock"
MOST_LOOSE = 10  # lines told one by one
_PINNED = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?(?:\[[\w, .-]*\])?\s*(?:===?\s*\S|@\s*\S)")


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of `entry-points.json`, whichever dialect it is in. Empty: not said."""

    name: str
    command: str
    is_default: bool | None
    at: Located


def check_entry_points(root: Located, project: Project, document: Document) -> None:
    """Warn where `entry-points.json` and `bvproject.yaml` differ."""
    listed = _listed(root)
    if listed is None:
        document.warning("entry_points", "A list is expected: {'entryPoints': […]} or {'entrypoints': […]}.", root)
        return
    told = {one.name: one for item in listed if (one := _told(item, document))}
    known = {entrypoint.name: entrypoint for entrypoint in project.entrypoints}
    for name in told.keys() - known.keys():
        document.warning("entry_points", f"'{shown(name, 50)}' is not an entrypoint in bvproject.yaml.", told[name].at)
    for name in known.keys() - told.keys():
        document.warning("entry_points", f"The entrypoint '{name}' of bvproject.yaml is missing here.", root)
    for name in known.keys() & told.keys():
        _compare(told[name], known[name].command, known[name].is_default, document)


def _compare(told: Told, command: str, is_default: bool, document: Document) -> None:
    if told.command and told.command != command:
        document.warning(
            "entry_points", f"'{shown(told.command, 80)}' differs from '{command}' in bvproject.yaml.", told.at
        )
    if told.is_default is not None and told.is_default != is_default:
        document.warning("entry_points", "'default' differs from bvproject.yaml.", told.at)


def _listed(root: Located) -> list[Located] | None:
    if isinstance(root.value, list):
        return root.items
    for key in ("entryPoints", "entrypoints"):
        found = root.fields.get(key)
        if found is not None and isinstance(found.value, list):
            return found.items
    return None


def _told(item: Located, document: Document) -> Told | None:
    name = _text(item, "name")
    if not name:
        document.warning("entry_points", "An entry must have a name.", item)
        return None
    default = item.fields.get("default")
    is_default = default.value if default is not None and isinstance(default.value, bool) else None
    return Told(name, _command(item), is_default, item)


def _command(item: Located) -> str:
    command = _text(item, "command")
    if command:
        return command
    function = _text(item, "function", "fn")
    path = _text(item, "filePath", "path")
    module = _text(item, "module") or path.removesuffix(".py").replace("/", ".")
    if module and function:
        return f"{module}:{function}"
    return path


def _text(item: Located, *keys: str) -> str:
    texts = (item.fields[key].value for key in keys if key in item.fields)
    return next((text for text in texts if isinstance(text, str) and text), "")


def check_manifest_json(root: Located, project: Project, document: Document) -> None:
    """Warn where `manifest.json` has another name or version."""
    for key, expected in (("name", project.name), ("version", project.version)):
        at = root.fields.get(key)
        if at is not None and expected and at.value != expected:
            document.warning("manifest_json", f"{key} is '{expected}' in bvproject.yaml, but {at.kind} here.", at)


def read_lock(raw: bytes, file: str, findings: Findings) -> str:
    """Return the hash of `requirements.lock`, warning of lines that do not pin what they name."""
    try:
        text = decoded(raw)
    except Malformed as error:
        findings.error(error.code, str(error), file, error.line)
        return ""
    if "\0" in text:
        findings.error("bad_character", "The file must not contain NUL characters.", file)
    loose = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if _is_loose(line)]
    for number, line in loose[:MOST_LOOSE]:
        name = shown(line.strip(), 80)
        findings.warning("not_pinned", f"'{name}' is not pinned, as 'name==1.2.3' would be.", file, number)
    if len(loose) > MOST_LOOSE:
        findings.warning("not_pinned", f"{len(loose) - MOST_LOOSE:,} more lines are not pinned.", file)
    return sha256(raw).hexdigest()


def _is_loose(line: str) -> bool:
    line = line.strip()
    return bool(line) and line[0] not in "#-" and not _PINNED.match(line)
