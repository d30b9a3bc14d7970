"""What becomes of a service's refusal on a page: a message, with what was typed still there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.core.edge import trace
from apps.core.errors import (
    Conflict,
    DomainError,
    Invalid,
    NotAllowed,
    NotFound,
    NotSignedIn,
    TooLarge,
    TooOften,
    Unavailable,
)

_STATUSES: tuple[tuple[type[DomainError], HTTPStatus], ...] = (
    (NotSignedIn, HTTPStatus.FORBIDDEN),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (TooOften, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (DomainError, HTTPStatus.BAD_REQUEST),
)

View = Callable[..., HttpResponseBase]

#: The refusal that ends when the person has proved again who they are, and how their way back is told.
FRESH_SIGN_IN_NEEDED: Final = "fresh_sign_in_needed"
NEXT: Final = "next"


def note(refusal: DomainError) -> None:
    """Leave a refused permission for the audit trail, which takes it up once the page is done. The first one counts."""
    notes = trace.current()
    if isinstance(refusal, NotAllowed) and notes.refusal is None:
        notes.refusal = refusal


def problems_of(refusal: DomainError) -> Iterator[tuple[str, str]]:
    """Yield each thing that is wrong as the field it is about (empty: the whole form) and what to say."""
    if isinstance(refusal, Invalid) and refusal.problems:
        for problem in refusal.problems:
            yield problem.field, problem.message
    else:
        yield str(refusal.extra.get("field", "")), str(refusal)


def put_into(form: forms.BaseForm, refusal: DomainError) -> None:
    """Show a refusal in a form, each problem at the field it is about."""
    for name, message in problems_of(refusal):
        field = _field_for(name, form)
        is_said = name in (field, "") or name in message
        text = message[:1].upper() + message[1:] if is_said else f"{name}: {message}"
        form.add_error(field, text)


def renamed(refusal: DomainError, **names: str) -> DomainError:
    """Return a refusal for a form that calls some fields otherwise than the service does."""
    if not isinstance(refusal, Invalid):
        return refusal
    problems = [replace(one, field=names.get(one.field, one.field)) for one in refusal.problems]
    return Invalid(str(refusal), problems=problems, code=refusal.code)


def _field_for(name: str, form: forms.BaseForm) -> str | None:
    """Return the field that ``order.lines[2].amount`` is in: the one of that name, or of its longest beginning."""
    inside = [field for field in form.fields if name == field or name.startswith((f"{field}.", f"{field}["))]
    return max(inside, key=len, default=None)


def answering_refusals(view: View, page: Callable[[HttpRequest], dict[str, Any]]) -> View:
    """Answer what a view of the admin could not turn into a message itself by a page that says it.

    ``page`` gives the context that every page of the site has.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except DomainError as refusal:
            if refusal.code == FRESH_SIGN_IN_NEEDED:
                return confirmation(request)
            note(refusal)
            return _refused_page(request, refusal, page(request))

    return wrapper


def confirmation(request: HttpRequest) -> HttpResponse:
    """Send the person to prove again who they are, and from there back to where they are now."""
    way_back = QueryDict(mutable=True)
    way_back[NEXT] = request.get_full_path()
    return HttpResponseRedirect(f"{reverse('admin:accounts_user_confirm')}?{way_back.urlencode(safe='/')}")


def _refused_page(request: HttpRequest, refusal: DomainError, context: dict[str, Any]) -> HttpResponse:
    status = next(status for kind, status in _STATUSES if isinstance(refusal, kind))
    titles = {HTTPStatus.FORBIDDEN: "You may not do this", HTTPStatus.NOT_FOUND: "There is no such thing here"}
    title = titles.get(status, "This was refused")
    return TemplateResponse(
        request, "operator/refused.html", {**context, "title": title, "detail": str(refusal)}, status=status
    )
