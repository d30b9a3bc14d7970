"""Reading tables that people send: CSV and XLSX, within limits, and only what stands in the cells."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import Any, Final
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from apps.core.errors import Invalid, TooLarge

MIB: Final = 1024 * 1024
LARGEST_FILE: Final = 5 * MIB
MOST_ROWS, MOST_COLUMNS = 10_000, 100
#: What the parts of a workbook unpack to. A small file may claim gigabytes.
LARGEST_WORKBOOK: Final = 40 * MIB
MOST_PARTS: Final = 500
#: Of a part that is neither rows nor their texts.
LARGEST_PART: Final = MIB
#: Characters in all cells together: a workbook holds a text once, and may show it in a million cells.
MOST_TEXT: Final = 2 * LARGEST_FILE
_PIECE: Final = 64 * 1024
_SEPARATORS: Final = ";,\t"
#: All that the libraries say of a file that is no workbook, or a broken one.
_NO_WORKBOOK: Final = (
    zipfile.BadZipFile, zlib.error, InvalidFileException, ParseError, KeyError, ValueError, TypeError, AttributeError,
    IndexError, EOFError, NotImplementedError, RuntimeError, OSError,
)  # fmt: skip

Cell = str | int | float | bool | datetime | date | time | None


@dataclass(frozen=True, slots=True)
class Formula:
    """Stands for a formula, whose value nobody here works out."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a file says: its headings, and each row with the number that a spreadsheet shows beside it."""

    columns: list[str]
    rows: list[tuple[int, list[Any]]]


def read_table(content: bytes) -> Table:
    """Read a CSV or XLSX file. Raises ``Invalid`` and ``TooLarge``, which say what to do about it."""
    if len(content) > LARGEST_FILE:
        raise TooLarge(f"The file is larger than {LARGEST_FILE // MIB} MiB. Split it.", limit=LARGEST_FILE)
    lines = _rows_of_workbook(content) if content.startswith(b"PK\x03\x04") else _rows_of_text(content)
    headings = next(lines, None)
    columns = [str(heading if heading is not None else "").strip() for heading in headings or []]
    while columns and not columns[-1]:
        columns.pop()
    if not columns:
        raise _refused("has no headings: its first row names the columns.")
    rows = [(number, row) for number, row in enumerate(lines, start=2) if any(cell not in (None, "") for cell in row)]
    if len(rows) > MOST_ROWS:
        raise TooLarge(f"The file has more than {MOST_ROWS:,} rows. Split it.", limit=MOST_ROWS)
    return Table(columns, [(number, _as_long_as(columns, row)) for number, row in rows])


def _as_long_as(columns: list[str], row: list[Any]) -> list[Any]:
    return [*row, *[None] * (len(columns) - len(row))]


def _rows_of_text(content: bytes) -> Iterator[list[Any]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused("is neither XLSX nor UTF-8 text. Save it as “CSV UTF-8”, or as XLSX.") from error
    if "\0" in text:
        raise _refused("is neither XLSX nor text. Save it as “CSV UTF-8”, or as XLSX.")
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        yield from _within_limits(reader)
    except csv.Error as error:
        raise _refused(f"cannot be read at line {reader.line_num}: {error}.") from error


def _rows_of_workbook(content: bytes) -> Iterator[list[Any]]:
    try:
        _refuse_bombs(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About styles and the like, which nobody reads here.
            sheet = _Workbook(content).first_sheet()
            sheet.reset_dimensions()  # What a file claims of itself.
            cells = sheet.iter_rows(max_row=MOST_ROWS + 2, max_col=MOST_COLUMNS + 1)
            yield from _within_limits([_value(cell) for cell in row] for row in cells)
    except _NO_WORKBOOK as error:
        raise _refused("is no workbook that can be read. Save it as XLSX or “CSV UTF-8” again.") from error


def _refuse_bombs(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        # Nothing more is ever unpacked of a part than it says here.
        if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_WORKBOOK:
            raise TooLarge("The workbook unpacks to more than is taken. Save the rows alone, as CSV.")
        if any(_declares_entities(archive, part) for part in parts):
            raise _refused("has a document type, as no workbook has. Save it as XLSX or “CSV UTF-8” again.")


class _Begun(Exception):
    """The content of an XML part has begun, so nothing more can be declared in it."""


def _declares_entities(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Say whether an XML part has a document type: with it a few letters could stand for gigabytes."""
    parser, declared = expat.ParserCreate(), []

    def begin(*_: Any) -> None:
        raise _Begun

    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = lambda *_: declared.append(part)
    try:
        with archive.open(part) as file:
            while (piece := file.read(_PIECE)) and not declared:
                parser.Parse(piece)
    except (_Begun, expat.ExpatError):
        pass  # What is no XML, such as a picture, is not read as such either.
    return bool(declared)


class _SmallParts(zipfile.ZipFile):
    """Reads parts whole only where they are small: the library makes an object of each of their elements."""

    def read(self, name: Any, pwd: bytes | None = None) -> bytes:
        if self.getinfo(name).file_size > LARGEST_PART:
            raise TooLarge("The workbook holds too much beside its rows. Save the rows alone, as CSV.")
        return super().read(name, pwd)


class _Workbook(ExcelReader):  # type: ignore[misc]  # the library has no types
    """Reads the first sheet, and of the rest what that needs: thousands of sheets could all name one large part."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), read_only=True, keep_links=False)
        self.archive = _SmallParts(io.BytesIO(content))

    def first_sheet(self) -> Any:
        """Return the first sheet that has rows. Raises ``IndexError`` where there is none."""
        self.read_manifest()
        self.read_strings()
        self.read_workbook()
        apply_stylesheet(self.archive, self.wb)  # It tells which numbers are dates.
        for sheet, relation in self.parser.find_sheets():
            if relation.target in self.valid_files and "chartsheet" not in relation.Type:
                return ReadOnlyWorksheet(self.wb, sheet.name, relation.target, self.shared_strings)
        raise IndexError("no sheet")


def _value(cell: Any) -> Any:
    return Formula() if cell.data_type == "f" else cell.value


def _within_limits(rows: Iterable[list[Any]]) -> Iterator[list[Any]]:
    text = 0
    for row in islice(rows, MOST_ROWS + 2):
        text += sum(len(cell) for cell in row if isinstance(cell, str))
        if text > MOST_TEXT:
            raise TooLarge(f"The file shows more than {MOST_TEXT:,} characters. Split it.", limit=MOST_TEXT)
        if any(cell not in (None, "") for cell in row[MOST_COLUMNS:]):
            raise TooLarge(f"The file has more than {MOST_COLUMNS} columns.", limit=MOST_COLUMNS)
        yield list(row[:MOST_COLUMNS])


def _refused(message: str) -> Invalid:
    return Invalid.field("file", message)
