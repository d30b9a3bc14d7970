"""What packages may be called and how their versions are written. Shared by upload and preflight."""

import re

NAME_LENGTH = 100
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


def name_problem(name: str) -> str:
    """Return why this cannot be a package's name, or nothing."""
    if not name:
        return "name is required"
    if not _NAME.fullmatch(name):
        return "name must match [A-Za-z0-9_-]"
    if len(name) > NAME_LENGTH:
        return f"name must have at most {NAME_LENGTH} characters"
    return ""


def version_problem(version: str) -> str:
    """Return why this cannot be a version, or nothing. Suffixes for pre-releases and builds are refused."""
    if not version:
        return "version is required"
    if not _VERSION.fullmatch(version):
        return "version must be SemVer 'X.Y.Z'"
    return ""


def version_key(version: str) -> tuple[int, int, int]:
    """Return what versions are ordered by. `version` must be one without problem."""
    major, minor, patch = version.split(".")
    return int(major), int(minor), int(patch)
