"""Taking files from others, and handing them out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Final, TypeVar

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from rest_framework.request import Request

from apps.core.api.bodies import check_length, content_length, copy_body
from apps.core.errors import Invalid, Problem, Unavailable
from apps.core.files import facts
from apps.core.files.conditions import Condition
from apps.core.files.shelves import Shelf, Upload

Read = TypeVar("Read")

SHA256_HEADER: Final = "X-Content-SHA256"
#: No page of ours is ever made of such a file, whatever a browser takes it for.
_SAFE_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}


def attachment(file: IO[bytes], *, name: str, content_type: str, sha256: str) -> FileResponse:
    """Answer with a file as something to save and never to show, read piece by piece and closed at the end."""
    headers = {**_SAFE_HEADERS, "ETag": f'"{sha256}"', SHA256_HEADER: sha256}
    return FileResponse(file, as_attachment=True, filename=name, content_type=content_type, headers=headers)


def handed_out(
    request: HttpRequest | Request,
    row: Any,
    *,
    name: str,
    opened: Callable[[Any], IO[bytes]],
    noted: Callable[[Any], None] | None = None,
) -> HttpResponseBase:
    """Answer with the file of a row, or with 304 where the caller has it; ``noted`` writes down that it was taken.

    Of the content type that was told, only what no browser runs is passed on.
    """
    if has_it_already(request, row.sha256):
        return HttpResponse(status=304, headers={"ETag": f'"{row.sha256}"'})
    with ExitStack() as closed_on_refusal:
        file = closed_on_refusal.enter_context(opened(row))
        if noted is not None:
            noted(row)
        closed_on_refusal.pop_all()
    return attachment(file, name=name, content_type=facts.served_as(row.content_type), sha256=row.sha256)


def condition_of(request: HttpRequest | Request) -> Condition:
    """Return on which condition a file is to be written or deleted: ``If-Match``, or ``If-None-Match: *``.

    Raises ``Invalid`` for an ``If-None-Match`` that names a hash, which would mean nothing here.
    """
    absent = request.headers.get("If-None-Match", "").strip()
    if absent not in ("", "*"):
        raise Invalid.field("If-None-Match", "Only * is understood here: there is no such file yet.")
    return Condition(frozenset(_hashes(request.headers.get("If-Match", ""))), is_absent=bool(absent))


def has_it_already(request: HttpRequest | Request, sha256: str) -> bool:
    """Say whether the caller names the very content it would get."""
    return bool({"*", sha256} & _hashes(request.headers.get("If-None-Match", "")))


def _hashes(header: str) -> set[str]:
    return {tag.removeprefix("W/").strip('"') for tag in parse_etags(header)}


@contextmanager
def received(
    request: HttpRequest, shelf: Shelf, *, name: str, limit: int, must_tell_sha256: bool = False
) -> Iterator[Upload]:
    """Lend the file that is the body of a request, whole and safe on disk, with what its sender said of it.

    Raises ``Invalid`` that names the header, ``TooLarge`` beyond ``limit`` bytes before reading, and ``StoreFull``.
    """
    kind = read_field(facts.read_content_type, request.headers.get("Content-Type", ""), "Content-Type")
    told = request.headers.get(SHA256_HEADER, "")
    if told or must_tell_sha256:
        told = read_field(facts.read_sha256, told, SHA256_HEADER, code="bad_sha256")
    length = content_length(request.META)
    check_length(length, limit)
    if length and getattr(request, "_read_started", False):  # A view that is called once more, after a deadlock.
        raise Unavailable("The file did not get through. Send it again.", retry_after=1)
    with shelf.incoming(size=length) as file:
        size, found = copy_body(request, file, limit=limit)
        os.fsync(file.fileno())  # Its sender may forget its copy once we have answered.
        yield Upload(file=file, name=name, content_type=kind, size_bytes=size, sha256=found, told_sha256=told)


def read_field(read: Callable[[str], Read], text: str, field: str, *, code: str = Invalid.code) -> Read:
    """Return what ``read`` makes of a text. Raises ``Invalid`` that names the field."""
    try:
        return read(text)
    except ValueError as error:
        raise Invalid(f"{field}: {error}", problems=[Problem(field, str(error), code)], code=code) from error
