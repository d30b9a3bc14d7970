"""Pure facts about machines and robots."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_HASH = re.compile(r"[0-9a-fA-F]{64}")
_LABEL = re.compile(r"[a-z0-9][a-z0-9._:/=-]{0,62}")


def normalise_signature(signature: str) -> str:
    """Return what identifies a host: 64 hex digits are taken as a hash, anything else is folded and hashed."""
    if _HASH.fullmatch(signature):
        return signature.lower()
    folded = " ".join(signature.split()).lower()
    return hashlib.sha256(folded.encode()).hexdigest() if folded else ""


def normalise_labels(labels: Iterable[str]) -> list[str]:
    """Return labels in lower case, sorted, each once."""
    return sorted({label.strip().lower() for label in labels if label.strip()})


def wrong_labels(labels: Iterable[str]) -> list[str]:
    """Return the labels that are not made of letters, digits and ``. _ : / = -``, at most 63 long."""
    return [label for label in labels if not _LABEL.fullmatch(label)]


def version_numbers(version: str) -> list[int]:
    """Return the leading numbers of a version such as ``1.4.0rc1``, for comparing; nothing for anything else."""
    match = re.match(r"\d{1,6}(?:\.\d{1,6}){0,2}", version)
    return [int(part) for part in match.group().split(".")] if match else []
