"""Lists: newest first, a page at a time, narrowed only by what is known."""

import base64
import json
from itertools import chain

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.core.api.pagination import NewestFirst
from apps.core.models import Row
from tests.core.api import doors

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.api.urls")]

PATH = "/api/test/records"


def record(key: str, *, principal: str = "ann", **fields):
    return doors.make_record(key, principal=principal, **fields)


def keys(response):
    assert response.status_code == 200, response.content
    return [item["key"] for item in response.json()["items"]]


def walk(client, path, direction="next"):
    """Follow the links of a list from ``path`` to its end and return the keys of each page."""
    pages = []
    while path:
        response = client.get(path)
        pages.append(keys(response))
        path = response.json()[direction]
    return pages


def refused(response):
    assert response.status_code == 400, response.content
    return {error["field"]: error["message"] for error in response.json()["errors"]}


def test_the_newest_comes_first(caller):
    for name in "abc":
        record(name)

    response = caller.get(PATH)

    assert response.json().keys() == {"items", "next", "previous"}
    assert keys(response) == ["c", "b", "a"]
    assert response.json()["next"] is response.json()["previous"] is None


def test_ids_are_texts(caller):
    row = record("a")

    assert caller.get(PATH).json()["items"][0]["id"] == str(row.id)


def test_a_caller_sees_its_own_rows_only(caller):
    record("mine")
    other = record("theirs", principal="bob")

    assert keys(caller.get(PATH)) == ["mine"]
    assert caller.get(f"{PATH}/{other.id}").status_code == 404


def test_pages_follow_one_another_without_gap_or_repeat(caller):
    for name in "abcdefg":
        record(name)

    assert walk(caller, f"{PATH}?page_size=3") == [["g", "f", "e"], ["d", "c", "b"], ["a"]]


def test_pages_lead_back_the_same_way(caller):
    for name in "abcde":
        record(name)
    middle = caller.get(caller.get(f"{PATH}?page_size=2").json()["next"]).json()
    last = middle["next"]

    assert walk(caller, last, "previous") == [["a"], ["c", "b"], ["e", "d"]]


def test_a_page_stays_put_while_rows_arrive(caller):
    for name in "abcd":
        record(name)
    following = caller.get(f"{PATH}?page_size=2").json()["next"]
    record("new")

    assert keys(caller.get(following)) == ["b", "a"]


def test_rows_that_sort_alike_are_all_met_once(caller):
    for number, name in enumerate("abcdefgh"):
        record(name, status_code=200 + number % 2)

    pages = walk(caller, f"{PATH}?page_size=3&ordering=status_code")

    assert list(chain(*pages)) == ["a", "c", "e", "g", "b", "d", "f", "h"]


@pytest.mark.parametrize(
    "ordering", ["id", "-id", "key", "-key", "status_code", "-status_code", "created_at", "-created_at"]
)
def test_every_order_there_is_can_be_walked(caller, ordering):
    for name in "abc":
        record(name)

    assert sorted(chain(*walk(caller, f"{PATH}?page_size=1&ordering={ordering}"))) == ["a", "b", "c"]


def test_filters_and_pages_go_together(caller):
    for number, name in enumerate("abcdef"):
        record(name, status_code=200 + number % 2)

    assert walk(caller, f"{PATH}?page_size=2&status_code=201") == [["f", "d"], ["b"]]


def test_text_is_found_whatever_its_case(caller):
    record("Invoices")
    record("orders")

    assert keys(caller.get(f"{PATH}?key=VOI")) == ["Invoices"]


def test_a_filter_of_several_values_takes_several(caller):
    record("a", method="GET")
    record("b", method="POST")

    assert keys(caller.get(f"{PATH}?method=GET&method=POST")) == ["b", "a"]


def test_a_row_is_found_by_its_id(caller):
    row = record("a")
    record("b")

    assert keys(caller.get(f"{PATH}?record_id={row.id}")) == ["a"]


def test_a_range_has_its_two_parameters(caller):
    record("a")

    assert keys(caller.get(f"{PATH}?created_after=2020-01-01T00:00:00Z")) == ["a"]
    assert keys(caller.get(f"{PATH}?created_before=2020-01-01T00:00:00Z")) == []


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("colour=red", "colour", "There is no such parameter"),
        ("statuscode=1", "statuscode", "Did you mean “status_code”?"),
        ("key__startswith=a", "key__startswith", "There is no such parameter"),
        ("principal=bob", "principal", "There is no such parameter"),
        ("format=xml", "format", "There is no such parameter"),
        ("page=2", "page", "There is no such parameter"),
        ("key=a&key=b", "key", "more than once"),
        ("page_size=0", "page_size", "1 to 200"),
        ("page_size=201", "page_size", "1 to 200"),
        ("page_size=1000000", "page_size", "1 to 200"),
        ("page_size=-5", "page_size", "1 to 200"),
        ("page_size=ten", "page_size", "1 to 200"),
        ("page_size=%EF%BC%91", "page_size", "1 to 200"),
        ("page_size=", "page_size", "1 to 200"),
        ("ordering=password", "ordering", "There is no order"),
        ("ordering=-principal", "ordering", "There is no order"),
        ("ordering=key,id", "ordering", "There is no order"),
        ("record_id=12", "record_id", "Ids are UUIDs"),
        ("record_id=0193f3a05b7e7c1d9d2a4a3f0c9b1e22", "record_id", "Ids are UUIDs"),
        ("method=BREW", "method", "not one of the available choices"),
        ("status_code=many", "status_code", "number"),
        ("created_after=yesterday", "created_after", "date"),
        ("key=" + "x" * 201, "key", "200"),
        ("cursor=", "cursor", "not a cursor"),
        ("cursor=%21%21", "cursor", "not a cursor"),
        ("cursor=" + "A" * 3000, "cursor", "not a cursor"),
    ],
)
def test_a_parameter_that_is_not_understood_is_refused_by_name(caller, query, field, words):
    found = refused(caller.get(f"{PATH}?{query}"))

    assert words in found[field]


def cursor(content: object) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"[" * 40,
        None,
        "abc",
        [],
        ["-id", False],
        ["-id", 0, ["0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"]],
        ["-id", False, "x"],
        ["-id", False, [1]],
        ["-id", False, []],
        ["-id", False, ["12"]],
        ["-id", False, ["\x00"]],
        ["-key", False, ["\x00", "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"]],
        ["id", False, ["0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"]],
    ],
    ids=str,
)
def test_a_cursor_of_somebody_elses_making_is_refused(caller, content):
    found = refused(caller.get(f"{PATH}?cursor={cursor(content)}"))

    assert "not a cursor" in found["cursor"]


def test_numbers_in_a_cursor_may_be_of_any_size(caller):
    record("a")
    huge = ["-status_code", False, ["9" * 30, "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"]]

    response = caller.get(f"{PATH}?ordering=-status_code&cursor={cursor(huge)}")

    assert keys(response) == ["a"]


def test_a_list_cannot_be_ordered_by_a_column_that_may_be_empty(caller):
    class ByPath(doors.RecordViewSet):
        orderings = ("late_by",)

    class Sometimes(Row):
        late_by = doors.models.IntegerField(null=True)

        class Meta:
            app_label = "nowhere"
            abstract = True

    request = Request(APIRequestFactory().get("/x", {"ordering": "late_by"}))
    queryset = type("Rows", (), {"model": Sometimes})()
    with pytest.raises(ImproperlyConfigured, match="null"):
        NewestFirst().paginate_queryset(queryset, request, ByPath())


@pytest.mark.parametrize("identity", ["12", "-1", "1.5", "9" * 41, "abc", "..", "0193f3a05b7e7c1d9d2a4a3f0c9b1e22"])
def test_an_address_with_anything_but_an_id_says_what_ids_are(caller, identity):
    response = caller.get(f"{PATH}/{identity}")

    assert "Ids are UUIDs" in refused(response)["id"]


def test_a_row_that_is_not_there_is_not_found(caller):
    response = caller.get(f"{PATH}/0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22")

    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such idempotency record."


@pytest.mark.parametrize("path", [PATH, f"{PATH}/0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_rows_are_not_overwritten(caller, path, method):
    assert caller.generic(method, path, b"{}", "application/json").status_code == 405


def test_a_list_answers_head_without_a_body(caller):
    response = caller.head(PATH)

    assert response.status_code == 200
    assert response.content == b""
