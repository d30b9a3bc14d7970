"""Checking a project or a package the way the orchestrator will: every problem, not just the first."""

from __future__ import annotations

import ast
import re
import tempfile
from pathlib import Path

from bv_robot.packages import archives, manifests
from bv_robot.packages.archives import UnsafeArchive
from bv_robot.packages.manifests import Entrypoint, Manifest, Problem

LEFT_OUT = {
    ".venv", "venv", "__pycache__", "dist", "build", ".git", ".hg", ".svn", ".idea", ".vscode", ".tox", ".env",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules", ".DS_Store",
}  # fmt: skip
"""Names that no package holds, wherever in the project they are."""
LOCK = "requirements.lock"
BUILT = (manifests.FILE, LOCK, "manifest.json", "entry-points.json")
"""What every built package holds at its root, beside its sources."""
PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*(===?\s*\S+|@\s*\S+)(\s*;.*)?(\s+--hash=\S+|\s*\\)*")


def check(path: Path) -> list[Problem]:
    """Every problem of a project's folder or of a ``.bvpackage`` file, ordered by file and line."""
    if not path.is_file():
        return sorted(check_folder(path))
    with tempfile.TemporaryDirectory() as unpacked:
        try:
            root = archives.extract(path, Path(unpacked))
        except UnsafeArchive as unsafe:
            return [Problem(path.name, 0, str(unsafe))]
        missing = [Problem(name, 0, "is missing from the package") for name in BUILT if not (root / name).exists()]
        return sorted({*missing, *check_folder(root)})


def check_folder(folder: Path) -> list[Problem]:
    manifest = manifests.read(folder)
    problems = [*manifest.problems, *check_lock(folder)]
    for source in files_of(folder, manifest):
        problems += check_source(folder, source)
    for entrypoint in manifest.entrypoints:
        problems += check_entrypoint(folder, entrypoint)
    return problems


def files_of(folder: Path, manifest: Manifest) -> list[Path]:
    """The files that belong into the package, in order."""
    left_out = {*LEFT_OUT, manifest.venv}

    def belongs(path: Path) -> bool:
        parts = path.relative_to(folder).parts
        if left_out & set(parts) or any(part.endswith(".egg-info") for part in parts):
            return False
        return path.suffix not in {".pyc", ".bvpackage"} and (path.is_symlink() or path.is_file())

    return sorted(path for path in folder.rglob("*") if belongs(path))


def check_source(folder: Path, path: Path) -> list[Problem]:
    name = path.relative_to(folder).as_posix()
    if path.is_symlink():
        return [Problem(name, 0, "is a link; packages hold plain files only")]
    if path.suffix != ".py":
        return []
    try:
        ast.parse(path.read_bytes(), filename=name)
    except SyntaxError as error:
        return [Problem(name, error.lineno or 0, f"is not Python: {error.msg}")]
    except ValueError as error:
        return [Problem(name, 0, f"is not Python: {error}")]
    return []


def check_lock(folder: Path) -> list[Problem]:
    """A lock pins every requirement. A project without one gets it when it is built."""
    try:
        lines = (folder / LOCK).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        return [Problem(LOCK, 0, "is not UTF-8")]
    return [
        Problem(LOCK, number, f"{line.strip()!r} is not pinned to one version (name==1.2.3)")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith(("#", "-")) and not PINNED.fullmatch(line.strip())
    ]


def check_entrypoint(folder: Path, entrypoint: Entrypoint) -> list[Problem]:
    command = entrypoint.command
    if command.endswith(".py"):
        inside = (folder / command).resolve().is_relative_to(folder.resolve())
        found = inside and (folder / command).is_file()
        return [] if found else [Problem(manifests.FILE, entrypoint.line, f"there is no file {command}")]
    module, _, function = command.partition(":")
    source = module_file(folder, module)
    if source is None:
        return [Problem(manifests.FILE, entrypoint.line, f"there is no module {module}")]
    if function in names_in(folder / source):
        return []
    return [Problem(source, 0, f"has no function {function}, which the entrypoint {entrypoint.name} names")]


def module_file(folder: Path, module: str) -> str | None:
    """The file of a module inside the project, relative to it; None where there is none."""
    path = module.replace(".", "/")
    return next((name for name in (f"{path}.py", f"{path}/__init__.py") if (folder / name).is_file()), None)


def names_in(source: Path) -> set[str]:
    """What a module binds at its top level: functions, classes, imports, assignments. Broken sources bind nothing new.

    A source that cannot be parsed is a problem of its own, so here it is taken to hold whatever is asked for.
    """
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):
        return _Everything()
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


class _Everything(set[str]):
    def __contains__(self, name: object) -> bool:
        return True
