"""Everything that can be told of an uploaded package, and every problem it has, in one go."""

import sys
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from apps.packages.rules import archives, manifests, signatures
from apps.packages.rules.archives import Archive, Source
from apps.packages.rules.limits import DEFAULT, Limits
from apps.packages.rules.manifests import Entrypoint, Manifest
from apps.packages.rules.problems import Findings, Problem
from apps.packages.rules.signatures import Signature


@dataclass(frozen=True, slots=True)
class ReadEntrypoint:
    """An entrypoint, and what it takes and returns."""

    entrypoint: Entrypoint
    signature: Signature


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about one file. Sizes are bytes.

    A package is accepted when there are no `problems`; `warnings` are for its author to know. `manifest` is `None`
    where name, version or entrypoints could not be told. `sha256` is of the file as it was uploaded; for a file that
    is too big it is worth nothing, and `size` means "at least".
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    manifest: Manifest | None
    entrypoints: tuple[ReadEntrypoint, ...]
    sha256: str
    size: int
    unpacked_size: int
    entry_count: int

    @property
    def is_valid(self) -> bool:
        return not self.problems and self.manifest is not None


def validate(source: Source, limits: Limits = DEFAULT) -> Report:
    """Return everything that can be told of a package: a path, or a seekable binary file, which is left open.

    Whatever the file holds, this returns a report; it raises only `OSError`, from the file itself. Memory stays below
    200 MiB and nothing is written anywhere.
    """
    findings = Findings(limits.problems)
    with archives.opened(source, limits, findings) as archive:
        manifest, entrypoints = _contents(archive, limits, findings)
        return Report(
            problems=findings.errors,
            warnings=findings.warnings,
            manifest=manifest,
            entrypoints=entrypoints,
            sha256=archive.sha256,
            size=archive.size,
            unpacked_size=archive.unpacked_size,
            entry_count=archive.entry_count,
        )


def _contents(
    archive: Archive, limits: Limits, findings: Findings
) -> tuple[Manifest | None, tuple[ReadEntrypoint, ...]]:
    if not archive.listed:
        return None, ()
    root = manifests.root_of(archive.listed)
    manifests.check_folders(archive.listed, findings)
    project = manifests.read_project_file(archive, root, limits, findings)
    if project is None:
        return None, ()
    manifest = manifests.read_manifest(archive, project, root, limits, findings)
    library = signatures.Library(archive, root, limits)
    reader = signatures.Reader(library, root, limits, findings, is_newer=_is_newer(project.python_version))
    read = [(one, reader.read(one)) for one in project.entrypoints]
    reader.tell_unparsable()
    return manifest, tuple(ReadEntrypoint(one, signature) for one, signature in read if signature)


def _is_newer(python_version: str) -> bool:
    """Whether a package asks for a Python that may know syntax which this one does not."""
    here = sys.version_info[:2]
    if python_version[:1].isdigit():
        return Version(python_version).release[:2] > here
    return bool(python_version) and not SpecifierSet(python_version).contains(Version(f"{here[0]}.{here[1]}.99"))
