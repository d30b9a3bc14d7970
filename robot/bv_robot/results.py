"""What came of a job, in the form in which it is spooled and reported."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bv_robot import logs
from bv_robot.logs import Extent

DEEPEST = 28
"""Levels of nesting in a result; servers take 32 for the whole report."""
LARGEST_INTEGER = 2**53
LONGEST_MESSAGE = 4_000
LONGEST_TRACEBACK = 32_000

Report = dict[str, Any]


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value from which digests are made."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest(outcome: str, result: Any, error: Any) -> str:
    """Hex SHA-256 by which the server knows the same report again."""
    return hashlib.sha256(canonical({"outcome": outcome, "result": result, "error": error})).hexdigest()


def error(kind: str, message: str, *, code: str = "application_error", traceback: str = "") -> dict[str, Any]:
    """Describe why something failed. Over-long texts lose their middle."""
    return {
        "type": _shortened(kind, 200),
        "message": _shortened(message, LONGEST_MESSAGE),
        "traceback": _shortened(traceback, LONGEST_TRACEBACK),
        "code": code,
    }


def _shortened(text: str, longest: int) -> str:
    text = logs.clean(text)
    if len(text) <= longest:
        return text
    return f"{text[: longest // 4]}\n… {len(text) - longest} characters left out …\n{text[-(longest * 3 // 4) :]}"


def report(
    lease: dict[str, Any],
    outcome: str,
    *,
    log: Extent,
    result: Any = None,
    error: dict[str, Any] | None = None,
    exit_code: int | None = None,
    usage: dict[str, Any] | None = None,
) -> Report:
    """The body of a finish call, with the lease's id beside it for the address."""
    return {
        "lease": lease["lease"],
        "job": lease["job"],
        "number": lease["number"],
        "outcome": outcome,
        "result": result,
        "error": error,
        "exit_code": exit_code,
        "digest": digest(outcome, result, error),
        "effects": [],
        "log": log.as_reported(),
        "usage": usage or {"cpu_seconds": 0.0, "max_memory": 0},
    }


def unfit(value: Any, depth: int = 1) -> str | None:
    """Say why a JSON value would be refused by any careful server, or None when it is fit."""
    if depth > DEEPEST:
        return f"it is nested more than {DEEPEST} levels deep"
    if isinstance(value, str):
        return _unfit_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"the integer {value:.3e} is beyond ±2^53" if abs(value) > LARGEST_INTEGER else None
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list):
        parts = value
    else:
        return None
    return next((reason for part in parts if (reason := unfit(part, depth + 1))), None)


def _unfit_text(text: str) -> str | None:
    if "\x00" in text:
        return "a text in it holds the NUL character"
    if not text.isascii() and any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        return "a text in it holds half a surrogate pair"
    return None


def too_large(limit: int) -> dict[str, Any]:
    """The error of a job that returned more bytes than the orchestrator takes."""
    return error("ResultTooLarge", f"The result is larger than the {limit} bytes allowed.")


def refused(spooled: Report, reason: str) -> Report:
    """The report to send where the server will not take this one: a failure that says so."""
    failed = error("ResultRefused", f"The orchestrator did not accept what the job returned: {reason}")
    changed = {"outcome": "failed", "result": None, "error": failed, "digest": digest("failed", None, failed)}
    return spooled | changed
