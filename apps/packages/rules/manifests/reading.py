"""Reading all manifests of one archive."""

from collections.abc import Callable, Iterable

from apps.packages.rules.archives import Archive, Damaged, TooBig
from apps.packages.rules.limits import Limits
from apps.packages.rules.manifests import companions, json_text, yaml_text
from apps.packages.rules.manifests.located import Document, Located, Malformed
from apps.packages.rules.manifests.manifest import Manifest
from apps.packages.rules.manifests.project import Project, read_project
from apps.packages.rules.problems import Findings

PROJECT, ENTRY_POINTS, MANIFEST_JSON = "bvproject.yaml", "entry-points.json", "manifest.json"
FORBIDDEN_FOLDERS = frozenset({".venv", "__pycache__", "dist", ".git"})


def root_of(names: Iterable[str]) -> str:
    """Return the folder that holds the project: empty, or `folder/` where everything lies in one single folder."""
    given = set(names)
    tops = {name.partition("/")[0] for name in given}
    top = next(iter(tops), "")
    return f"{top}/" if PROJECT not in given and len(tops) == 1 and f"{top}/{PROJECT}" in given else ""


def check_folders(names: Iterable[str], findings: Findings) -> None:
    """Refuse folders that are made by tools and never belong into a package; each is told once."""
    for folder in sorted({folder for name in names if (folder := _forbidden(name))}):
        findings.error("forbidden_folder", "This must not be in a package. Leave it out when building.", folder)


def _forbidden(name: str) -> str:
    """Return the path of the topmost forbidden folder in a name, or nothing."""
    parts = name.split("/")
    at = next((at for at, part in enumerate(parts) if part.lower() in FORBIDDEN_FOLDERS), None)
    return "" if at is None else "/".join(parts[: at + 1])


def read_project_file(archive: Archive, root: str, limits: Limits, findings: Findings) -> Project | None:
    """Return what `bvproject.yaml` says, or nothing where it cannot be read at all; tell what is wrong."""
    name = root + PROJECT
    if name not in archive.listed:
        findings.error("missing_file", f"{PROJECT} is missing at the root of the package.", PROJECT)
        return None
    content = _parsed(archive, name, yaml_text.parse, limits, findings)
    return read_project(content, Document(name, findings), limits) if content else None


def read_manifest(archive: Archive, project: Project, root: str, limits: Limits, findings: Findings) -> Manifest | None:
    """Compare the companions with the project and return all as one, or nothing if the project is not complete."""
    told = _companion(archive, root + ENTRY_POINTS, limits, findings)
    if told:
        companions.check_entry_points(told, project, Document(root + ENTRY_POINTS, findings))
    told = _companion(archive, root + MANIFEST_JSON, limits, findings)
    if told:
        companions.check_manifest_json(told, project, Document(root + MANIFEST_JSON, findings))
    lock_sha256 = _lock(archive, root + companions.LOCK, limits, findings)
    if not project.is_complete:
        return None
    return Manifest(
        name=project.name,
        version=project.version,
        kind=project.kind,
        description=project.description,
        python_version=project.python_version,
        entrypoints=project.entrypoints,
        dependencies=project.dependencies,
        lock_sha256=lock_sha256,
        root=root,
    )


def _companion(archive: Archive, name: str, limits: Limits, findings: Findings) -> Located | None:
    return _parsed(archive, name, json_text.parse, limits, findings) if archive.has(name) else None


def _parsed(
    archive: Archive, name: str, parse: Callable[[bytes, Limits], Located], limits: Limits, findings: Findings
) -> Located | None:
    raw = _content(archive, name, limits.manifest_bytes, findings)
    if raw is None:
        return None
    try:
        return parse(raw, limits)
    except Malformed as error:
        findings.error(error.code, str(error), name, error.line, error.column)
        return None


def _lock(archive: Archive, name: str, limits: Limits, findings: Findings) -> str:
    if name not in archive.listed:
        findings.warning("no_lock", "Without requirements.lock jobs run with no package installed.", name)
        return ""
    raw = _content(archive, name, limits.lock_bytes, findings)
    return companions.read_lock(raw, name, findings) if raw is not None else ""


def _content(archive: Archive, name: str, most: int, findings: Findings) -> bytes | None:
    """Return a file's content; nothing if it was refused before, or is refused now for its size."""
    if not archive.has(name):
        return None
    try:
        return archive.read(name, most)
    except (TooBig, Damaged) as error:
        findings.error("file_too_big", str(error), name)
        return None
