"""What files may be called, and as what they are handed out."""

from __future__ import annotations

import re
from typing import Final

from apps.core.names import clean_name

LONGEST_NAME: Final = 200
LONGEST_PATH: Final = 500
LONGEST_CONTENT_TYPE: Final = 100
UNKNOWN: Final = "application/octet-stream"
#: What no browser runs or renders with scripts in it; anything else is handed out as plain bytes.
HARMLESS: Final = frozenset(
    {
        "application/json",
        "application/pdf",
        "application/zip",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "text/plain",
    }
)
_TOKEN = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*"
_CONTENT_TYPE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def read_name(text: str) -> str:
    """Return a file name in its one spelling: no path, nothing invisible. Raises ``ValueError`` with what is wrong."""
    name = clean_name(text)
    if not name:
        raise ValueError("It is empty: name the file.")
    if name in {".", ".."} or "/" in name or "\\" in name:
        raise ValueError("It is a path: give the name of a file alone.")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"It is longer than {LONGEST_NAME} characters.")
    return name


def read_path(text: str) -> str:
    """Return the path of a file in its one spelling, such as ``2026/march.csv``. Raises ``ValueError``."""
    path = clean_name(text)
    if not path:
        raise ValueError("It is empty: name the file.")
    if "\\" in path or any(part in {"", ".", ".."} or part != part.strip() for part in path.split("/")):
        raise ValueError("It is no path of a file: give names with single slashes between them.")
    if len(path) > LONGEST_PATH:
        raise ValueError(f"It is longer than {LONGEST_PATH} characters.")
    return path


def read_content_type(text: str) -> str:
    """Return a content type without its parameters, empty where none is told. Raises ``ValueError``."""
    kind = text.partition(";")[0].strip().lower()
    if kind and (len(kind) > LONGEST_CONTENT_TYPE or not _CONTENT_TYPE.fullmatch(kind)):
        raise ValueError(f"It is no content type of at most {LONGEST_CONTENT_TYPE} characters, such as text/csv.")
    return kind


def read_sha256(text: str) -> str:
    """Return a SHA-256 in small letters. Raises ``ValueError``."""
    digest = text.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise ValueError("It is not the SHA-256 of the file: 64 hexadecimal digits.")
    return digest


def served_as(content_type: str) -> str:
    """Return the content type a file is handed out with: what was said of it is believed only where that is safe."""
    return content_type if content_type in HARMLESS else UNKNOWN
