"""Refusing addresses and framing that no view should have to think about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from apps.core.api import strict_json
from apps.core.api.problems import Answer
from apps.core.errors import Invalid, Problem

#: Parameters in one query string, and bytes in it.
PARAMETER_LIMIT: Final = 100
QUERY_LIMIT: Final = 16 * 1024


def refusal_of(meta: Mapping[str, Any], path: str) -> Answer | None:
    """Return what is wrong with the address or the framing of a request, or ``None``."""
    if "\x00" in path:
        return Answer(400, Invalid.code, "The address holds a NUL character.")
    return _refusal_of_framing(meta) or _refusal_of_query(str(meta.get("QUERY_STRING", "")))


def problems_of_query(query: str) -> Iterator[Problem]:
    """Yield a problem for each parameter whose name or value is not text that can be stored."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if problem := _wrong_with(name) or _wrong_with(value):
            plain = unquote_to_bytes(name.replace("+", " ")).decode(errors="replace")
            yield Problem(strict_json.shown(plain), f"The parameter {problem}.", "unacceptable_text")


def _refusal_of_framing(meta: Mapping[str, Any]) -> Answer | None:
    length = str(meta.get("CONTENT_LENGTH") or "")
    if length and not (length.isascii() and length.isdigit()):
        return Answer(400, Invalid.code, "Content-Length is not a number.")
    if meta.get("HTTP_TRANSFER_ENCODING") and not length:
        # Django reads as much as Content-Length says, so a body sent in chunks would pass for an empty one.
        return Answer(411, "length_required", "Send the body with a Content-Length instead of in chunks.")
    return None


def _refusal_of_query(query: str) -> Answer | None:
    if len(query) > QUERY_LIMIT:
        return Answer(414, "uri_too_long", f"The query string is longer than {QUERY_LIMIT} bytes.")
    if query.count("&") >= PARAMETER_LIMIT:
        return Answer(400, Invalid.code, f"There are more than {PARAMETER_LIMIT} query parameters.")
    if "%" not in query and query.isascii():
        return None
    problems = list(problems_of_query(query))
    detail = " ".join(f"{problem.field}: {problem.message}" for problem in problems)
    return Answer(400, Invalid.code, detail, problems) if problems else None


def _wrong_with(quoted: str) -> str:
    # WSGI hands over bytes dressed as Latin-1.
    data = unquote_to_bytes(quoted.encode("latin-1", "replace"))
    try:
        return strict_json.check_text(data.decode())
    except UnicodeDecodeError:
        return "is not UTF-8"
