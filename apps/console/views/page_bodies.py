"""How much a page takes. Ahead of the CSRF check, which reads a whole form before any view is asked."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from apps.core.api import bodies
from apps.packages.rules import limits
from apps.queues.rules.tables import LARGEST_FILE

#: Bytes of a form without files, and of one beside its file.
FORM_LIMIT: Final = limits.MIB


class PageBodies:
    """Refuses forms that are too large before any of them is read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "POST" and request.path_info.startswith(reverse("admin:index")):
            takes = FORM_LIMIT + _file_bytes(request.path_info)
            if bodies.content_length(request.META) > takes:
                text = f"This is too large: at most {takes // limits.MIB} MiB are taken here. Go back and send less."
                return HttpResponse(text, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, content_type="text/plain")
        return self.get_response(request)


def _file_bytes(address: str) -> int:
    """Return how large a file a page takes beside its form."""
    if address == reverse("admin:packages_package_add"):
        return limits.DEFAULT.packed_bytes
    if address.startswith(reverse("admin:queues_queue_changelist")) and address.endswith("/upload/"):
        return LARGEST_FILE
    return 0
