"""Values out of a text file that remember the line and column they were written in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.packages.rules.limits import Limits
from apps.packages.rules.problems import Findings, shown


@dataclass(frozen=True, slots=True)
class Bare:
    """A number or a date as it was written: no field of a manifest wants one, but some can be read as text."""

    text: str


@dataclass(frozen=True, slots=True)
class Located:
    """A value and where it stands. Lines and columns count from 1."""

    value: str | bool | Bare | list[Located] | dict[str, Located] | None
    line: int
    column: int

    @property
    def fields(self) -> dict[str, Located]:
        """The fields of a mapping; none where this is something else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Located]:
        """The items of a list; none where this is something else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str | None:
        """The text that this is, or that a number or date was written as; `None` for anything else."""
        match self.value:
            case str() as text:
                return text
            case Bare(text):
                return text
        return None

    @property
    def kind(self) -> str:
        """What this is, for a message: "must be text, not <kind>"."""
        match self.value:
            case None:
                return "nothing"
            case bool():
                return "true or false"
            case str():
                return f"'{shown(self.value, 50)}'"
            case Bare(text):
                return f"the number or date {shown(text, 50)}"
            case list():
                return "a list"
        return "a mapping"


class Malformed(Exception):
    """The text is not what its file's name says it is, or is so in a way that is refused."""

    def __init__(self, code: str, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Document:
    """One file being looked at: where it reports to, and under which name."""

    file: str
    findings: Findings

    def error(self, code: str, message: str, at: Located) -> None:
        self.findings.error(code, message, self.file, at.line, at.column)

    def warning(self, code: str, message: str, at: Located) -> None:
        self.findings.warning(code, message, self.file, at.line, at.column)


def decoded(raw: bytes) -> str:
    """Return the text of a file, or raise `Malformed` where it is not UTF-8. A byte order mark is dropped."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Malformed("not_utf8", "The file must be UTF-8 text.", line) from error


def too_complex(limits: Limits) -> str:
    """Return the message for a file that holds more, or deeper nested, than is read."""
    return f"At most {limits.manifest_nodes:,} values, nested {limits.manifest_depth} deep, are accepted."


def check_storable(root: Located) -> None:
    """Raise `Malformed` where an escape has put something into a text that no database takes."""
    for at, text in _texts(root):
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise Malformed("bad_character", "Texts must not contain NUL or half a surrogate pair.", at.line, at.column)


def _texts(root: Located) -> Iterator[tuple[Located, str]]:
    if isinstance(root.value, str):
        yield root, root.value
    for item in root.items:
        yield from _texts(item)
    for name, item in root.fields.items():
        yield item, name
        yield from _texts(item)
