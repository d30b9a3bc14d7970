"""Fields of a body: known, of their kind, and in one spelling."""

import json

import pytest

from apps.core.api.identifiers import parse_id
from apps.core.errors import Invalid

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.api.urls")]

PATH = "/api/test/records"


@pytest.fixture
def create(caller):
    return lambda **body: caller.post(PATH, json.dumps(body), content_type="application/json")


def errors(response):
    assert response.status_code == 400, response.content
    return {error["field"]: (error["code"], error["message"]) for error in response.json()["errors"]}


def test_known_fields_are_taken(create):
    response = create(name="invoices", status_code=200, due_at="2026-01-31T10:00:00Z")

    assert response.status_code == 201
    assert response.json()["key"] == "invoices"


def test_an_unknown_field_is_refused_by_name_and_the_near_one_is_offered(create):
    found = errors(create(name="invoices", staus_code=200))

    assert found["staus_code"] == ("unknown_field", "There is no such field. Did you mean “status_code”?")


def test_a_field_that_resembles_nothing_is_told_what_there_is(create):
    found = errors(create(name="x", tenant="other"))

    assert found["tenant"][1] == "There is no such field. There is: due_at, name, process_id, status_code."


def test_unknown_and_wrong_fields_are_told_together(create):
    found = errors(create(nme="x"))

    assert found.keys() == {"nme", "name"}


@pytest.mark.parametrize("field", ["id", "created_at", "principal", "tenant", "is_staff", "__class__", "__proto__"])
def test_nothing_can_be_slipped_in(create, field):
    found = errors(create(**{"name": "x", field: "y"}))

    assert found[field][0] == "unknown_field"


def test_a_name_is_trimmed_and_composed(create):
    response = create(name="  Cafe\u0301 ")

    assert response.json()["key"] == "Caf\u00e9"


@pytest.mark.parametrize(
    "name",
    ["a\u202eb", "a\u200bb", "a\u2066b", "a\ufeffb", "a\tb", "a\nb", "a\x7fb", "a\ue000b", "a\u2028b"],
    ids=[
        "direction override",
        "zero width",
        "isolate",
        "byte order mark",
        "tab",
        "line feed",
        "delete",
        "private",
        "separator",
    ],
)
def test_a_name_with_letters_nobody_sees_is_refused(create, name):
    assert errors(create(name=name))["name"][0] == "unacceptable_text"


@pytest.mark.parametrize("name", ["", "   ", None, ["x"], {"x": 1}, True])
def test_a_name_that_is_none_is_refused(create, name):
    assert "name" in errors(create(name=name))


@pytest.mark.parametrize("number", [7, -7, 7.0, "7", "0193f3a05b7e7c1d9d2a4a3f0c9b1e22", "{x}", True, [1], {"a": 1}])
def test_an_id_that_is_no_uuid_is_refused(create, number):
    found = errors(create(name="x", process_id=number))

    assert found["process_id"][1].startswith("Ids are UUIDs")


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-01T25:00:00Z",
        "2016-12-31T23:59:60Z",
        "soon",
        12,
    ],
    ids=["year 1", "year 9999", "25 o'clock", "leap second", "words", "number"],
)
def test_a_moment_that_never_was_is_refused(create, moment):
    assert "due_at" in errors(create(name="x", due_at=moment))


def test_an_action_without_input_refuses_a_body(caller):
    response = caller.post(
        f"{PATH}/{'0' * 8}-0000-7000-8000-{'0' * 12}/touch", b'{"force": true}', content_type="application/json"
    )

    assert errors(response)["force"][0] == "unknown_field"


def test_an_action_refuses_parameters_it_would_ignore(caller):
    response = caller.post(f"{PATH}?dry_run=1", b'{"name": "x"}', content_type="application/json")

    assert errors(response)["dry_run"][0] == "unknown_parameter"


def test_an_id_of_ours_is_read():
    assert str(parse_id("0193F3A0-5B7E-7C1D-9D2A-4A3F0C9B1E22")) == "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"


@pytest.mark.parametrize("value", [12, "12", "", None, "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22x"])
def test_anything_else_is_not_an_id(value):
    with pytest.raises(Invalid, match="UUIDs"):
        parse_id(value, field="job_id")
