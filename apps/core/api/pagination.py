"""Pages of a list that stay put while rows come and go."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models import Field, Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from apps.core.api.strict_json import parse_json_bytes, shown
from apps.core.errors import Invalid

DEFAULT_PAGE_SIZE: Final = 50
PAGE_SIZE_LIMIT: Final = 200
DEFAULT_ORDERING: Final = "-id"
_CURSOR_LENGTH: Final = 2048


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: the sort key of a row, and whether the page lies after or before it."""

    ordering: str
    is_backward: bool
    key: list[str]

    def encode(self) -> str:
        """Return the cursor as text for an address."""
        text = json.dumps([self.ordering, self.is_backward, self.key], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Return the cursor that ``text`` writes; raises ``Invalid`` for anything we did not write."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            ordering, is_backward, key = parse_json_bytes(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (Invalid, TypeError, ValueError) as error:
            raise bad_cursor() from error
        right_key = isinstance(key, list) and all(isinstance(part, str) for part in key)
        if not (isinstance(ordering, str) and isinstance(is_backward, bool) and right_key):
            raise bad_cursor()
        return cls(ordering, is_backward, key)


def bad_cursor() -> Invalid:
    """Return the refusal of a cursor that is not ours."""
    return Invalid.field("cursor", "This is not a cursor of this list. Leave it out to begin at the start.")


class NewestFirst(BasePagination):
    """Pages of ``{items, next, previous}``, found by the sort key instead of by counting.

    A view names what else it can be sorted by in ``orderings``: columns that are never null.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        self.request = request
        self.size = page_size_of(request)
        self.ordering = ordering_of(request, view)
        self.columns = _columns(self.ordering, queryset.model)
        text = request.query_params.get("cursor")
        self.cursor = self._cursor(text) if text is not None else None
        is_backward = self.cursor is not None and self.cursor.is_backward
        rows = self.fetch(self._from_cursor(queryset, is_backward), self.size + 1, view)
        self.has_more, rows = len(rows) > self.size, rows[: self.size]
        self.rows = rows[::-1] if is_backward else rows
        return self.rows

    def fetch(self, rows: QuerySet, count: int, view: APIView | None) -> list[Any]:
        """Return the first ``count`` of ``rows``, which are in order and begin behind the cursor."""
        return list(rows[:count])

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"items": data, "next": self._next(), "previous": self._previous()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"items": schema, "next": link, "previous": link}
        return {"type": "object", "required": list(properties), "properties": properties}

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        sizes = {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_LIMIT, "default": DEFAULT_PAGE_SIZE}
        orders = {"type": "string", "enum": orderings_of(view), "default": DEFAULT_ORDERING}
        parameters = [
            ("cursor", "Where to go on; taken from `next` or `previous`.", {"type": "string"}),
            ("page_size", "Rows on a page.", sizes),
            ("ordering", "The order of the rows; a minus sign turns it round.", orders),
        ]
        return [
            {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
            for name, description, schema in parameters
        ]

    def _cursor(self, text: str) -> Cursor:
        if len(text) > _CURSOR_LENGTH:
            raise bad_cursor()
        cursor = Cursor.decode(text)
        if cursor.ordering != self.ordering or len(cursor.key) != len(self.columns):
            raise bad_cursor()
        return cursor

    def _from_cursor(self, queryset: QuerySet, is_backward: bool) -> QuerySet:
        signs = [("" if descending == is_backward else "-", name) for name, descending in self.columns]
        queryset = queryset.order_by(*(sign + name for sign, name in signs))
        if self.cursor is None:
            return queryset
        values = _values(queryset.model, self.columns, self.cursor.key)
        beyond, same = Q(), Q()
        for (sign, name), value in zip(signs, values, strict=True):
            beyond |= same & Q(**{f"{name}__{'lt' if sign else 'gt'}": value})
            same &= Q(**{name: value})
        return queryset.filter(beyond)

    def _next(self) -> str | None:
        came_back = self.cursor is not None and self.cursor.is_backward
        return self._link(self.rows[-1], False) if self.rows and (came_back or self.has_more) else None

    def _previous(self) -> str | None:
        came_back = self.cursor is not None and self.cursor.is_backward
        is_first = self.cursor is None or (came_back and not self.has_more)
        return self._link(self.rows[0], True) if self.rows and not is_first else None

    def _link(self, row: Model, is_backward: bool) -> str:
        key = [_column(type(row), name).value_to_string(row) for name, _ in self.columns]
        cursor = Cursor(self.ordering, is_backward, key).encode()
        return replace_query_param(self.request.build_absolute_uri(), "cursor", cursor)


def page_size_of(request: Request) -> int:
    """Return how many rows the caller wants on a page; raises ``Invalid``."""
    text = request.query_params.get("page_size")
    if text is None:
        return DEFAULT_PAGE_SIZE
    right = text.isascii() and text.isdigit() and len(text) < 6
    if not right or not 1 <= int(text) <= PAGE_SIZE_LIMIT:
        raise Invalid.field("page_size", f"{shown(text)} is not a number from 1 to {PAGE_SIZE_LIMIT}.")
    return int(text)


def orderings_of(view: APIView | None) -> list[str]:
    """Return every order a list can be asked for in."""
    names = ("id", *getattr(view, "orderings", ()))
    return [sign + name for name in names for sign in ("-", "")]


def ordering_of(request: Request, view: APIView | None) -> str:
    """Return the order the caller wants; raises ``Invalid`` naming those there are."""
    ordering = request.query_params.get("ordering", DEFAULT_ORDERING)
    known = orderings_of(view)
    if ordering not in known:
        raise Invalid.field("ordering", f"There is no order “{shown(ordering)}”. There is: {', '.join(known)}.")
    return ordering


def _columns(ordering: str, model: type[Model]) -> list[tuple[str, bool]]:
    """Return the columns of an order, the id last so that no two rows are equal, each with whether it descends."""
    name, descending = ordering.lstrip("-"), ordering.startswith("-")
    if name == "id":
        return [("id", descending)]
    if _column(model, name).null:
        raise ImproperlyConfigured(f"{model.__name__}.{name} may be null, so a list cannot be paged by it.")
    return [(name, descending), ("id", descending)]


def _column(model: type[Model], name: str) -> Field:
    return cast("Field", model._meta.get_field(name))


def _values(model: type[Model], columns: Sequence[tuple[str, bool]], key: Sequence[str]) -> list[Any]:
    try:
        return [_column(model, name).to_python(text) for (name, _), text in zip(columns, key, strict=True)]
    except ValidationError as error:
        raise bad_cursor() from error
