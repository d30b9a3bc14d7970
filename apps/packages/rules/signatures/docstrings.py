"""What a docstring says of a function and its parameters, in the three styles that people write."""

import inspect
import re
from dataclasses import dataclass, field

from apps.packages.rules.signatures.literals import storable

MOST_CHARACTERS = 20_000
MOST_SUMMARY = 4_000
_PARAMETERS = r"(?:Args|Arguments|Params|Parameters|Keyword Args|Keyword Arguments|Other Parameters|Attributes)"
_RETURNS = r"(?:Returns?|Yields?)"
_GOOGLE_HEADER = re.compile(rf"({_PARAMETERS}|{_RETURNS}|[A-Z][a-zA-Z ]{{2,30}}):\s*$")
_NUMPY_RULE = re.compile(r"-{3,}\s*$")
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*:\s*(.*)$")
_NUMPY_ENTRY = re.compile(r"\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
_SPHINX = re.compile(r":(param|parameter|arg|argument|key|keyword|return|returns)\b([^:]*):\s*(.*)$")


@dataclass(slots=True)
class Docs:
    """The words of one docstring: what it is about, its parameters by name, and what is returned."""

    summary: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    returns: str = ""


def parse(docstring: str | None) -> Docs:
    """Return what a docstring says. A style that is not known is all summary."""
    lines = inspect.cleandoc(storable(docstring or "", MOST_CHARACTERS)).split("\n")
    docs, summary, at = Docs(), [], 0
    while at < len(lines):
        taken = _sphinx(lines, at, docs) or _google(lines, at, docs) or _numpy(lines, at, docs)
        if not taken:
            summary.append(lines[at])
        at += taken or 1
    docs.summary = "\n".join(summary).strip()[:MOST_SUMMARY]
    return docs


def _sphinx(lines: list[str], at: int, docs: Docs) -> int:
    match = _SPHINX.match(lines[at].strip()) if lines[at].lstrip().startswith(":") else None
    if not match:
        return 0
    kind, name, first = match.groups()
    block = _block(lines, at + 1, more_than=_indent(lines[at]))
    text = _joined([first, *block])
    if kind.startswith("return"):
        docs.returns = text
    elif name.strip():
        docs.parameters[name.split()[-1].lstrip("*")] = text
    return 1 + len(block)


def _google(lines: list[str], at: int, docs: Docs) -> int:
    match = _GOOGLE_HEADER.match(lines[at])
    block = _block(lines, at + 1, more_than=0) if match else []
    if not match or not any(line.strip() for line in block):
        return 0
    if re.fullmatch(_PARAMETERS, match[1]):
        docs.parameters.update(_entries(block))
    elif re.fullmatch(_RETURNS, match[1]):
        docs.returns = _joined(block)
    return 1 + len(block)


def _entries(block: list[str]) -> dict[str, str]:
    """Read `name: text` entries, each going on in the lines that are indented more."""
    first = min((_indent(line) for line in block if line.strip()), default=0)
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in block:
        match = _ENTRY.match(line.strip()) if line.strip() and _indent(line) == first else None
        if match:
            lines = found.setdefault(match[1], [])
            lines.append(match[2])
        else:
            lines.append(line)
    return {name: _joined(text) for name, text in found.items()}


def _numpy(lines: list[str], at: int, docs: Docs) -> int:
    if at + 1 >= len(lines) or not _NUMPY_RULE.match(lines[at + 1]):
        return 0
    title, end = lines[at].strip(), at + 2
    while end < len(lines) and not (end + 1 < len(lines) and _NUMPY_RULE.match(lines[end + 1])):
        end += 1
    if re.fullmatch(_PARAMETERS, title):
        _numpy_entries(lines[at + 2 : end], docs)
    elif re.fullmatch(_RETURNS, title):
        docs.returns = _joined([line for line in lines[at + 2 : end] if _indent(line)])
    return end - at


def _numpy_entries(block: list[str], docs: Docs) -> None:
    names: list[str] = []
    texts: dict[str, list[str]] = {}
    for line in block:
        match = _NUMPY_ENTRY.match(line) if line.strip() and not _indent(line) else None
        if match:
            names = [name.strip() for name in match[1].split(",")]
        for name in names:
            texts.setdefault(name, []).append("" if match else line)
    docs.parameters.update((name, _joined(text)) for name, text in texts.items())


def _block(lines: list[str], start: int, *, more_than: int) -> list[str]:
    """Return the lines from `start` that are indented by more, blank ones between them included."""
    end = start
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > more_than):
        end += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return lines[start:end]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
