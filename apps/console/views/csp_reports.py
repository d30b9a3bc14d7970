"""What browsers refused to load or run in our pages, as they tell it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from django.http import HttpRequest, HttpResponse

from apps.core.api.bodies import content_length
from apps.core.api.plain import api_view
from apps.core.edge.middleware import quiet

log = structlog.get_logger(__name__)

LARGEST_REPORT: Final = 16 * 1024
#: Lines in a minute that each process writes: anybody may send reports, and one page may cause many.
LINES_A_MINUTE: Final = 30
_LONGEST: Final = 200
_KINDS: Final = ("application/csp-report", "application/reports+json", "application/json")


class Allowance:
    """So many a minute for each process, whoever asks."""

    def __init__(self, a_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = self._left = a_minute
        self._clock, self._began = clock, clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Say whether there was one left."""
        with self._lock:
            if self._clock() - self._began >= 60:
                self._left, self._began = self._most, self._clock()
            self._left -= 1
            return self._left >= 0


lines = Allowance(LINES_A_MINUTE)


@quiet
@api_view("POST")
def csp_reports(request: HttpRequest) -> HttpResponse:
    """Write a browser's report into the log; whatever it is, the answer is the same and empty."""
    if request.content_type in _KINDS and 0 < content_length(request.META) <= LARGEST_REPORT and lines.take():
        violation = _violation(request.read(LARGEST_REPORT))
        if violation:
            log.warning("csp_violation", **violation)
    return HttpResponse(status=204)


def _violation(body: bytes) -> dict[str, Any]:
    """Return what a report says in either of its two forms, shortened, without query strings; else nothing."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(told, list):
        told = next(iter(told), None)
    inner = next((told[key] for key in ("csp-report", "body") if key in told), None) if isinstance(told, dict) else None
    if not isinstance(inner, dict):
        return {}
    return {
        "page": _place(_first(inner, "document-uri", "documentURL")),
        "directive": _first(inner, "effective-directive", "effectiveDirective", "violated-directive"),
        "blocked": _place(_first(inner, "blocked-uri", "blockedURL")),
        "source": _place(_first(inner, "source-file", "sourceFile")),
        "line": _first(inner, "line-number", "lineNumber"),
    }


def _first(told: Mapping[str, Any], *names: str) -> str:
    value = next((told[name] for name in names if name in told), "")
    return str(value)[:_LONGEST] if isinstance(value, str | int) else ""


def _place(address: str) -> str:
    """Return an address without what may be secret in it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}" if parts.netloc else parts.path or parts.scheme
