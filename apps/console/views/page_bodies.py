"""How much a page takes. Ahead of the CSRF check, which reads a whole form before any view is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from apps.accounts.rules import pictures
from apps.core.api import bodies
from apps.packages.rules import limits
from apps.queues.rules.tables import LARGEST_FILE
from apps.triggers.rules import icalendars

#: Bytes of a form without files, and of one beside its file.
FORM_LIMIT: Final = limits.MIB


class PageBodies:
    """Refuses forms that are too large before any of them is read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "POST" and request.path_info.startswith(reverse("admin:index")):
            length = bodies.content_length(request.META)
            takes = FORM_LIMIT if length <= FORM_LIMIT else FORM_LIMIT + _file_bytes(request)
            if length > takes:
                text = f"This is too large: at most {takes // limits.MIB} MiB are taken here. Go back and send less."
                return HttpResponse(text, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, content_type="text/plain")
        return self.get_response(request)


def _file_bytes(request: HttpRequest) -> int:
    """Return how large a file a page takes beside its form; none from somebody who has not signed in."""
    if SESSION_KEY not in request.session:
        return 0
    address = request.path_info
    if address == reverse("admin:packages_package_add"):
        return limits.DEFAULT.packed_bytes
    sizes = (size for name, end, size in _takers() if address.startswith(reverse(name)) and address.endswith(end))
    return next(sizes, 0)


def _takers() -> Iterator[tuple[str, str, int]]:
    """Yield lists with pages below them that take a file: how their addresses end, and how large it may be."""
    yield "admin:accounts_user_changelist", "/me/", pictures.LARGEST_FILE
    yield "admin:queues_queue_changelist", "/upload/", LARGEST_FILE
    yield "admin:queues_queueitem_changelist", "/bring/", settings.ITEM_FILE_LIMIT_BYTES
    yield "admin:queues_filestore_changelist", "/bring/", settings.STORED_FILE_LIMIT_BYTES
    yield "admin:triggers_calendar_changelist", "/import/", icalendars.LARGEST
