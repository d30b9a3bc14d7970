"""Parsing Python source, which is a stranger's: bounded, never run, and every way it can fail has a name."""

import ast
import io
import threading
import tokenize
import warnings
from typing import cast

# What the parser may meet before its own guards stop it: too many brackets, chains or digits.
_BEYOND_THE_PARSER = (RecursionError, MemoryError, OverflowError, ValueError)
_ENCODINGS = ("utf-8", "utf-8-sig", "ascii", "iso-8859-1", "iso-8859-15", "cp1252")
# Filters of warnings belong to the whole process, so two threads must not set and restore them at once.
_FILTERS = threading.Lock()


class Unparsable(Exception):
    """A source file that cannot be parsed. `code` is for programs; lines and columns count from 1."""

    def __init__(self, code: str, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.line = line
        self.column = column


def parse(raw: bytes) -> ast.Module:
    """Return the syntax tree of a source file, or raise `Unparsable`."""
    text = _decoded(raw)
    try:
        tree = _quietly_parsed(text, "exec")
    except SyntaxError as error:
        raise _unparsable(error) from error
    except _BEYOND_THE_PARSER as error:
        raise Unparsable("too_complex", "The file is nested too deeply to be read.") from error
    return cast(ast.Module, tree)


def parse_expression(text: str) -> ast.expr | None:
    """Return the expression that an annotation holds as text, or nothing where it holds none."""
    if len(text) > 2_000:
        return None
    try:
        tree = _quietly_parsed(text.strip(), "eval")
    except (SyntaxError, *_BEYOND_THE_PARSER):
        return None
    return tree.body if isinstance(tree, ast.Expression) else None


def _decoded(raw: bytes) -> str:
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise Unparsable("bad_character", "The file must not contain NUL characters.", line)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        if encoding not in _ENCODINGS:
            raise Unparsable("not_utf8", f"The file is in {encoding}; write it in UTF-8.", 1)
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unparsable("not_utf8", "The file is not valid UTF-8.", line) from error
    except SyntaxError as error:
        raise Unparsable("not_utf8", f"The file's encoding cannot be told: {error.msg}.", 1) from error


def _quietly_parsed(text: str, mode: str) -> ast.AST:
    # A stranger's '\d' outside a raw string warns its author elsewhere, not our log.
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, mode=mode)


def _unparsable(error: SyntaxError) -> Unparsable:
    line = error.lineno or None
    column = error.offset if line and error.offset and error.offset > 0 else None
    return Unparsable("syntax_error", f"This is not valid Python: {error.msg}.", line, column)
