"""The log viewer: a piece of a log from its end, its first error or anywhere, and on as it grows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.core.actors import Actor
from apps.core.admin import display
from apps.jobs import services
from apps.jobs.models import Execution, ExecutionStatus, logreading
from apps.jobs.models.logreading import Place
from apps.jobs.rules import loglines

#: What programs write to colour a terminal, which is noise on a page; the text that is downloaded has it.
_COLOURS: Final = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
#: Lines in one piece.
LINES: Final = 400


@dataclass(frozen=True, slots=True)
class Shown:
    """A line as the page shows it: the time in the reader's zone, one letter for the level."""

    time: str
    letter: str
    level: str
    message: str


def viewer(address: str, execution: Execution | None) -> dict[str, Any]:
    """Return what the template of the viewer is given."""
    state = state_of(execution) if execution is not None else ""
    return {"address": address, "execution": execution, "state": state, "levels": loglines.LEVELS}


def state_of(execution: Execution) -> str:
    """Say how large a log is, and whether it is whole."""
    size = display.bytes_as_text(execution.log_length + execution.log_api_length)
    if logreading.is_gone(execution):
        return f"{size}, no longer kept"
    if execution.log_truncated:
        return f"{size}, cut off: it was longer than is kept"
    if execution.status == ExecutionStatus.RUNNING:
        return f"{size} so far"
    missing = logreading.missing_bytes(execution)
    if missing:
        return f"{size}, {display.bytes_as_text(missing)} missing"
    return f"{size}, not as the robot sent it" if logreading.is_intact(execution) is False else f"{size}, complete"


def fragment(request: HttpRequest, execution: Execution | None, *, actor: Actor, is_job_over: bool) -> HttpResponse:
    """Answer a piece of a log as a fragment of a page; nothing (204) while there is nothing new to follow.

    ``after`` and ``before`` are ``<execution>.<place>``; a newer execution of the same job begins at its own start.
    """
    if execution is None:
        return render(request, "jobs/log_piece.html", {"address": request.path})
    is_open = execution.status == ExecutionStatus.RUNNING or not is_job_over
    if execution.is_watch_due:
        services.watch_log(execution, actor=actor)
    if "before" in request.GET:
        page = logreading.page_before(execution, _place(request, "before")[1], limit=LINES)
        return _answer(request, execution, page, is_following=False)
    if "after" not in request.GET:
        return _answer(request, execution, _begin(execution, request.GET.get("from", "")), is_following=is_open)
    known, place = _place(request, "after")
    is_new = known != str(execution.pk)
    page = logreading.page_after(execution, Place() if is_new else place, limit=LINES)
    if is_open and not is_new and not page.lines:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return _answer(request, execution, page, is_following=is_open)


def download(execution: Execution, name: str) -> StreamingHttpResponse:
    """Answer the whole log as text, read piece by piece."""
    response = StreamingHttpResponse(logreading.as_text(execution), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}.log"
    return response


def _place(request: HttpRequest, name: str) -> tuple[str, Place]:
    """Read an execution and a place in its log. Raises ``Invalid``."""
    execution, _, place = request.GET[name].partition(".")
    return execution, Place.parse(place)


def _begin(execution: Execution, where: str) -> logreading.Page:
    if where == "start":
        return logreading.page_after(execution, Place(), limit=LINES)
    if where == "error":
        return logreading.first_error_page(execution, limit=LINES)
    return logreading.last_page(execution, limit=LINES)


def _answer(request: HttpRequest, execution: Execution, page: logreading.Page, *, is_following: bool) -> HttpResponse:
    is_first = "after" not in request.GET
    context = {
        "lines": [_shown(line) for line in page.lines],
        "execution": execution,
        "address": request.path,
        "earlier": f"{execution.pk}.{page.previous}" if is_first and page.has_previous else "",
        "on": f"{execution.pk}.{page.next}" if page.has_next or is_following else "",
        "has_more": page.has_next,
        "is_empty": is_first and not page.lines and "before" not in request.GET,
        "is_following": is_following,
        "is_gone": logreading.is_gone(execution),
        "state": state_of(execution),
    }
    if "before" in request.GET:
        context |= {"on": "", "has_more": False}
    return render(request, "jobs/log_piece.html", context)


def _shown(line: loglines.Line) -> Shown:
    fields = "".join(f"  {name}={_plain(value)}" for name, value in line.fields.items())
    return Shown(_local(line.time), line.level[0].lower(), line.level, _COLOURS.sub("", line.message) + fields)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _local(text: str) -> str:
    """Return the time of a line in the reader's zone; what is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    here = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return here.strftime("%H:%M:%S.") + f"{here.microsecond // 1000:03}"
