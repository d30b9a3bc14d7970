"""Taking the body of a request: of the right kind, whole, and no larger than allowed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import IO, Any, Final

from django.http import HttpRequest, UnreadablePostError
from rest_framework.exceptions import UnsupportedMediaType

from apps.core.api import strict_json
from apps.core.errors import Invalid, TooLarge

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
#: Bytes of a file that are in memory at once.
_PIECE: Final = 64 * 1024


def read_json(request: HttpRequest, *, limit: int = strict_json.BODY_LIMIT) -> dict[str, Any]:
    """Return the JSON object a plain Django view was sent; an empty body is ``{}``.

    Raises ``Invalid``, ``TooLarge``, and ``UnsupportedMediaType`` for any other kind of body.
    """
    return strict_json.parse_json_object(read_body(request, kinds=(JSON,), limit=limit), limit=limit)


def read_body(request: HttpRequest, *, kinds: Collection[str], limit: int) -> bytes:
    """Return the bytes of the body, at most ``limit``; raises ``TooLarge`` before reading where the length is told.

    ``kinds`` are the content types taken. A body of no length is taken whatever it calls itself.
    """
    length = content_length(request.META)
    if not length:
        return b""
    check_kind(request.META, kinds)
    return read_stream(request, length=length, limit=limit)


def read_stream(stream: HttpRequest | IO[bytes], *, length: int, limit: int) -> bytes:
    """Return ``length`` bytes; raises ``TooLarge`` beyond ``limit`` and ``Invalid`` where the sender stopped early."""
    check_length(length, limit)
    try:
        data: bytes = stream.read(length)
    except UnreadablePostError as error:
        raise Invalid("The connection ended inside the body.", code="body_cut_off") from error
    if len(data) < length:
        raise Invalid(f"The body ended after {len(data)} of {length} bytes.", code="body_cut_off")
    return data


def copy_body(request: HttpRequest, target: IO[bytes], *, limit: int) -> tuple[int, str]:
    """Write the bytes of the body to ``target`` piece by piece; return how many they are, and their SHA-256.

    Raises ``TooLarge`` before reading, ``Invalid`` where the sender stopped early, and ``UnsupportedMediaType`` for
    compressed bytes, whose length would say nothing.
    """
    length = content_length(request.META)
    check_length(length, limit)
    _check_encoding(request.META, str(request.META.get("CONTENT_TYPE", "")))
    digest, left = hashlib.sha256(), length
    while left:
        piece = _read_piece(request, left)
        if not piece:
            raise Invalid(f"The body ended after {length - left} of {length} bytes.", code="body_cut_off")
        digest.update(piece)
        target.write(piece)
        left -= len(piece)
    target.flush()
    return length, digest.hexdigest()


def check_length(length: int, limit: int) -> None:
    """Raise ``TooLarge`` for a body of more than ``limit`` bytes."""
    if length > limit:
        raise TooLarge(f"The body has {length} bytes; at most {limit} are taken here.", limit=limit)


def check_kind(meta: Mapping[str, Any], kinds: Collection[str]) -> None:
    """Raise ``UnsupportedMediaType`` unless the body is of one of ``kinds``, in UTF-8 and not compressed."""
    kind, _, parameters = str(meta.get("CONTENT_TYPE", "")).partition(";")
    charset = next((part for part in parameters.lower().split(";") if part.strip().startswith("charset=")), "")
    is_utf8 = charset.rpartition("=")[2].strip(' "') in ("", "utf-8", "utf8")
    if kind.strip().lower() not in kinds or not is_utf8:
        raise UnsupportedMediaType(str(meta.get("CONTENT_TYPE", "")), _wanted(kinds))
    _check_encoding(meta, kind)


def content_length(meta: Mapping[str, Any]) -> int:
    """Return the number of bytes the sender announces; the edge has refused requests that do not say."""
    text = str(meta.get("CONTENT_LENGTH") or "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def _read_piece(request: HttpRequest, left: int) -> bytes:
    try:
        piece: bytes = request.read(min(left, _PIECE))
    except UnreadablePostError as error:
        raise Invalid("The connection ended inside the body.", code="body_cut_off") from error
    return piece


def _check_encoding(meta: Mapping[str, Any], kind: str) -> None:
    if str(meta.get("HTTP_CONTENT_ENCODING", "identity")).strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType(kind, "Send the body as it is: compressed bodies are not taken here.")


def _wanted(kinds: Collection[str]) -> str:
    return f"Send the body as {' or '.join(sorted(kinds))} in UTF-8."
