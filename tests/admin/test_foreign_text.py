"""Cases F4 and D14: names and texts that are markup, script or template text stay text on every page of the admin."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError, models, transaction

from tests import make
from tests.admin.rows import KINDS
from tests.admin.visitors import Visitor, list_of, page_of, superuser, text_of

pytestmark = pytest.mark.django_db

WICKED = "\"'><script>xss()</script>{{7*7191}}"
COMPUTED = str(7 * 7191)
#: Columns that hold what people or programs wrote freely; those of a new model are filled by these names too.
FREE = {
    "name", "description", "reason", "error_reason", "error_code", "reference", "username", "target_name", "actor_name",
    "actor_id", "target_kind", "agent", "set_by", "lifted_by", "paused_reason", "maintenance_reason", "disabled_reason",
    "problem", "review_comment", "reviewer", "created_by", "uploaded_by", "written_by", "by_hand", "package_name",
    "entrypoint_name", "script_path", "source", "content_type", "version", "python_version", "limit_value", "subject",
    "body", "to", "last_error", "purpose", "queued_by", "title", "summary", "label", "labels", "tags", "claims", "code",
    "request_id", "permission", "path", "subject_kind", "type_name", "dedupe_key", "value", "comment",
    "message", "note",
}  # fmt: skip
FREE_JSON = {"payload", "result", "parameters", "progress", "info", "data", "before", "after", "facts"}
#: What a library evaluates in the page, beside what browsers do.
EVALUATED = ("x-", "@", ":", "on", "hx-vals", "hx-on", "hx-headers", "srcdoc")


class Inert(HTMLParser):
    """Collects what in a page would act by our text."""

    def __init__(self) -> None:
        super().__init__()
        self.acting: list[str] = []
        self._script_kind: str | None = None

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        told = {name: value or "" for name, value in attributes}
        self._script_kind = told.get("type", "text/javascript") if tag == "script" else None
        for name, value in told.items():
            acts = name.startswith(EVALUATED) and "<script>xss" in value
            leads = name in ("href", "src", "action", "formaction") and value.strip().lower().startswith("javascript:")
            if acts or leads or "xss()" in name:
                self.acting.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        self._script_kind = None

    def handle_data(self, data: str) -> None:
        if self._script_kind is not None and "json" not in self._script_kind and "xss()" in data:
            self.acting.append(data)


def spoil(row: models.Model) -> set[str]:
    """Put the text into every column of a row that takes it, past all services; returns which did."""
    done = set()
    for one in row._meta.concrete_fields:
        value: Any = WICKED
        if one.primary_key or one.choices or one.name not in FREE | FREE_JSON:
            continue
        if isinstance(one, ArrayField):
            value = [WICKED]
        elif isinstance(one, models.JSONField):
            value = {WICKED: [WICKED, {"x": WICKED}]} if one.name in FREE_JSON else [WICKED]
        elif not isinstance(one, models.CharField | models.TextField):
            continue
        elif one.max_length and len(WICKED) > one.max_length:
            value = WICKED[3 : one.max_length + 3]
        try:
            with transaction.atomic():
                type(row)._base_manager.filter(pk=row.pk).update(**{one.name: value})
        except DatabaseError:  # It is append-only, or of a form that the database sees to.
            continue
        done.add(one.name)
    return done


def pages_of(row: models.Model, visitor: Visitor) -> Iterator[tuple[str, Any]]:
    model = type(row)
    page = admin.site._registry[model]
    addresses = [list_of(model), page_of(row), *(page_of(row, one.name) for one in page.operations)]
    for address in addresses:
        yield address, visitor.get(address)


def wrong_with(response: Any) -> Any:
    if response.status_code >= 500:
        return response.status_code
    text = text_of(response)
    reader = Inert()
    reader.feed(text)
    return reader.acting or "<script>xss" in text or COMPUTED in text


def test_f4_d14_text_that_is_markup_or_template_acts_on_no_page():
    place = make.tenant()
    visitor = superuser()
    rows = [maker(place) for maker, _ in KINDS.values()]
    spoilt = {row._meta.label: spoil(row) for row in rows}

    shown, wrong = 0, {}
    for row in rows:
        for address, response in pages_of(row, visitor):
            shown += "&lt;script&gt;xss()" in text_of(response)
            if problem := wrong_with(response):
                wrong[address] = problem
    for address in ("/admin/", "/admin/search/?s=%3Cscript%3Exss()", "/admin/settings/"):
        if problem := wrong_with(visitor.get(address)):
            wrong[address] = problem

    assert wrong == {}
    assert shown > len(KINDS)
    assert [label for label, names in spoilt.items() if "name" in names]


@pytest.mark.parametrize(
    "page",
    [
        "<script>xss()</script>",
        "<a href=' javascript:alert(1)'>",
        "<p x-data=\"{ a: '&quot;&gt;&lt;script>xss()' }\">",
    ],
)
def test_the_reader_sees_what_acts(page):
    reader = Inert()
    reader.feed(page)

    assert reader.acting
