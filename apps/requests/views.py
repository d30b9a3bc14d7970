"""The door to idempotency keys: any view that makes something can answer through it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from apps.core import masking
from apps.core.actors import Actor
from apps.core.api import problems
from apps.core.errors import Invalid
from apps.requests import rules, services
from apps.requests.models import IdempotencyRecord

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
#: Headers of a request that decide what it does, as its body does.
_DECIDING_HEADERS: Final = ("X-Folder-ID", "X-Tenant")
_KEPT_HEADERS: Final = ("Location", "ETag")


def answer_once(
    call: Callable[[], HttpResponseBase], *, request: HttpRequest, actor: Actor, data: Any
) -> HttpResponseBase:
    """Return the answer of ``call``, or the one it gave when the same request came before under the same key.

    ``data`` is the body as parsed, or its bytes. The call runs in the transaction that keeps its answer. Refusals are
    kept too, so that a request once refused cannot succeed when it arrives late a second time. An answer with one of
    our tokens in it, or with ``holds_secret`` set on it, is never kept. A streamed answer is not kept either.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return call()
    if not rules.is_key(key):
        raise Invalid.field(HEADER, "A key is 1 to 255 printable ASCII characters.", code="bad_idempotency_key")
    asked = services.AskedOnce(key, request.method or "", request.path_info.rstrip("/"), body_hash(request, data))
    with transaction.atomic():
        kept = services.find_answer(asked, actor=actor)
        if kept is not None:
            return _again(kept)
        response = _called(call)
        if isinstance(response, HttpResponse) and rules.is_kept(response.status_code):
            services.keep_answer(asked, actor=actor, answer=_as_kept(response))
    return response


def body_hash(request: HttpRequest, data: Any) -> str:
    """Return the keyed hash of all that decides what a request does; files are read in pieces and wound back."""
    # Keyed: a body may hold a short secret, which whoever reads the table could otherwise guess.
    digest = hmac.new(settings.TOKEN_PEPPER.encode(), b"idempotency", hashlib.sha256)
    deciding = [request.META.get("QUERY_STRING", ""), *(request.headers.get(name, "") for name in _DECIDING_HEADERS)]
    for piece in (*(text.encode() for text in deciding), *_pieces(data)):
        digest.update(len(piece).to_bytes(8) + piece)
    return digest.hexdigest()


def _pieces(data: Any) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
    elif isinstance(data, MultiValueDict):
        # By name and content, because each sending of a form separates its parts differently.
        for name in sorted(data):
            for value in data.getlist(name):
                yield name.encode()
                yield from _pieces_of_part(value)
    else:
        yield json.dumps(data, sort_keys=True, separators=(",", ":")).encode()


def _pieces_of_part(value: Any) -> Iterator[bytes]:
    if not isinstance(value, UploadedFile):
        yield str(value).encode()
        return
    content = hashlib.sha256()
    for chunk in value.chunks():
        content.update(chunk)
    value.seek(0)
    yield (value.name or "").encode()
    yield content.digest()


def _called(call: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    try:
        with transaction.atomic():
            return _plain(call())
    except problems.REFUSALS as error:
        answer = problems.describe(error)
        if answer is None or not rules.is_kept(answer.status):
            raise
        return answer.response()


def _plain(response: HttpResponseBase) -> HttpResponseBase:
    """Return REST framework's answer with its body made, so that the first answer and its repeats are one."""
    if not isinstance(response, Response):
        return response
    body = b"" if response.data is None else JSONRenderer().render(response.data)
    headers = {name: value for name, value in response.headers.items() if name != "Content-Type"}
    plain = HttpResponse(body, status=response.status_code, content_type="application/json", headers=headers)
    plain.holds_secret = getattr(response, "holds_secret", False)  # type: ignore[attr-defined]
    return plain


def _as_kept(response: HttpResponse) -> services.GivenAnswer:
    body = response.content
    return services.GivenAnswer(
        status_code=response.status_code,
        content_type=response.headers.get("Content-Type", ""),
        body=body,
        headers={name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers},
        holds_secret=getattr(response, "holds_secret", False) or masking.mask_tokens(body) != body,
    )


def _again(kept: IdempotencyRecord) -> HttpResponse:
    headers: Mapping[str, str] = {**kept.headers, REPLAYED: "true"}
    return HttpResponse(
        bytes(kept.body), status=kept.status_code, content_type=kept.content_type, headers=dict(headers)
    )
