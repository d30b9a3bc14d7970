"""The one shape of every refusal (RFC 9457), whoever raised it and whichever kind of view it came out of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any, Final

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.settings import api_settings

from apps.core import context
from apps.core.api import database
from apps.core.edge import trace
from apps.core.errors import (
    Conflict,
    DomainError,
    Invalid,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Outdated,
    Problem,
    TooLarge,
    TooOften,
    Unavailable,
)

log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
#: What is raised on purpose, as opposed to what breaks.
REFUSALS: Final = (DomainError, exceptions.APIException, Http404, PermissionDenied, ValidationError)

_STATUSES: Final[tuple[tuple[type[DomainError], int], ...]] = (
    (Invalid, 400),
    (NotSignedIn, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Outdated, 412),
    (TooLarge, 413),
    (TooOften, 429),
    (Unavailable, 503),
    (DomainError, 400),
)
#: REST framework's own codes, in the words of this API.
_CODES: Final = {
    "not_authenticated": NotSignedIn.code,
    "authentication_failed": NotSignedIn.code,
    "permission_denied": NotAllowed.code,
    "parse_error": "malformed",
}
_MOST_PROBLEMS_IN_DETAIL: Final = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal in the terms of HTTP."""

    status: int
    code: str
    detail: str
    errors: list[Problem] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def response(self) -> HttpResponse:
        """Return the answer as problem JSON, with the id of the request."""
        body = {
            **self.extra,
            "type": f"urn:bv-orchestrator:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [asdict(problem) for problem in self.errors],
            "request_id": context.current().request_id,
        }
        text = json.dumps(body, cls=DjangoJSONEncoder)
        return HttpResponse(text, status=self.status, content_type=CONTENT_TYPE, headers=self.headers)


def problem(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
) -> HttpResponse:
    """Return a refusal that has no exception of its own, such as a 416; ``extra`` are further members."""
    return Answer(status, code, detail, headers=dict(headers or {}), extra=extra).response()


def problem_response(error: Exception, request: HttpRequest) -> HttpResponse:
    """Return the answer to whatever a view raised; for plain Django views and REST framework's alike.

    A ``NotAllowed`` is noted for the audit trail. What nobody foresaw is logged in full and answered without a word
    about its inside.
    """
    if isinstance(error, NotAllowed):
        trace.current().refusal = error
    answer = describe(error)
    if answer is None:
        # As Django does for errors it handles itself: reporters and the test client listen to this.
        got_request_exception.send(sender=None, request=request)
        log.error("request_failed", method=request.method, exc_info=error)
        return _unforeseen().response()
    if isinstance(error, DatabaseError | InterfaceError):
        log.warning("database_refused", code=answer.code, sqlstate=database.sqlstate_of(error), exc_info=error)
    return answer.response()


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Answer for REST framework; it is the ``EXCEPTION_HANDLER`` of the settings."""
    return problem_response(error, context["request"]._request)


def describe(error: Exception) -> Answer | None:
    """Return the answer that belongs to an error; ``None`` if it is a fault of ours."""
    match error:
        case DomainError():
            return _of_refusal(error)
        case exceptions.APIException():
            return _of_rest_framework(error)
        case DatabaseError() | InterfaceError():
            refusal = database.refusal_of(error)
            return _of_refusal(refusal) if refusal else None
    return _of_django(error)


def problems_in(detail: Any, path: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield each problem in REST framework's nested errors, with the dotted place of the field it is in."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            whole = key in (api_settings.NON_FIELD_ERRORS_KEY, "__all__")
            yield from problems_in(value, path if whole else (*path, str(key)))
    elif isinstance(detail, list | tuple):
        nested = any(isinstance(item, Mapping | list | tuple) for item in detail)
        for index, item in enumerate(detail):
            yield from problems_in(item, (*path, str(index)) if nested else path)
    else:
        yield Problem(".".join(path), str(detail), getattr(detail, "code", None) or Invalid.code)


def in_words(problems: Iterable[Problem]) -> str:
    """Return problems as one text for a person."""
    texts = [f"{found.field}: {found.message}" if found.field else found.message for found in problems]
    rest = len(texts) - _MOST_PROBLEMS_IN_DETAIL
    return " ".join(texts[:_MOST_PROBLEMS_IN_DETAIL] + ([f"And {rest} more."] if rest > 0 else []))


def _of_refusal(error: DomainError) -> Answer:
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    problems = error.problems if isinstance(error, Invalid) else []
    return Answer(status, error.code, str(error), problems, _headers(error, status), error.extra)


def _headers(error: DomainError, status: int) -> dict[str, str]:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    retry_after = error.retry_after if isinstance(error, TooOften | Unavailable) else error.extra.get("retry_after")
    return headers | ({"Retry-After": str(retry_after)} if retry_after is not None else {})


def _of_rest_framework(error: exceptions.APIException) -> Answer:
    if isinstance(error, exceptions.ValidationError):
        return _of_problems(list(problems_in(error.detail)))
    is_unknown_caller = isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed)
    # REST framework turns 401 into 403 where no authenticator names a scheme; here there always is one.
    status = 401 if is_unknown_caller else error.status_code
    headers = {"WWW-Authenticate": "Bearer"} if is_unknown_caller else {}
    wait = getattr(error, "wait", None)  # of ``Throttled``, in seconds
    if wait is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    problems = list(problems_in(error.detail))
    code = problems[0].code if problems else error.default_code
    return Answer(status, _CODES.get(code, code), in_words(problems), headers=headers)


def _of_django(error: Exception) -> Answer | None:
    match error:
        case Http404():
            return Answer(404, NotFound.code, "There is no such thing here.")
        case PermissionDenied():
            return Answer(403, NotAllowed.code, str(error) or "You may not do this.")
        case ValidationError():
            return _of_problems(list(_problems_of_model(error)))
        case RequestDataTooBig():
            return Answer(413, TooLarge.code, "The body is larger than is taken here.")
        case SuspiciousOperation():
            return Answer(400, Invalid.code, "The request is not acceptable.")
        case UnreadablePostError():
            return Answer(400, "body_cut_off", "The body ended before all of it had come.")
    return None


def _of_problems(problems: list[Problem]) -> Answer:
    return Answer(400, Invalid.code, in_words(problems), problems)


def _problems_of_model(error: ValidationError) -> Iterator[Problem]:
    if not hasattr(error, "error_dict"):
        yield from (Problem("", message) for message in error.messages)
        return
    for name, messages in error.message_dict.items():
        yield from (Problem("" if name == "__all__" else name, message) for message in messages)


def _unforeseen() -> Answer:
    request_id = context.current().request_id
    return Answer(500, "internal_error", f"Something failed on our side. It is in our log as request {request_id}.")
