"""Malformed bodies, through a real view: each is refused by name and nothing breaks."""

import json

import pytest

from apps.core.api.strict_json import parse_json_bytes, parse_json_object, shown
from apps.core.errors import Invalid, TooLarge

pytestmark = pytest.mark.urls("tests.core.api.urls")


def refusal(response):
    assert response.status_code == 400, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.json()


def test_a_clean_body_arrives_as_it_was_sent(send):
    body = {"text": "naïve 🙂", "list": [1, -2.5, True, None], "__proto__": {"constructor": "{{7*7}}"}}

    response = send(json.dumps(body).encode())

    assert response.status_code == 200
    assert response.json() == {"body": body}


@pytest.mark.parametrize("body", [b"", b"  \r\n\t "], ids=["empty", "white space"])
def test_a_post_without_a_body_is_an_empty_object(send, body):
    response = send(body)

    assert response.json() == {"body": {}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b'{"a": ', "malformed", id="unfinished"),
        pytest.param(b'{"a": "x', "malformed", id="unfinished string"),
        pytest.param(b"{'a': 1}", "malformed", id="single quotes"),
        pytest.param(b'{"a": 1} {"b": 2}', "malformed", id="two documents"),
        pytest.param(b"[]" * 500_000, "malformed", id="half a million documents"),
        pytest.param(b'{"a": "line\nbreak"}', "malformed", id="raw line break in a string"),
        pytest.param(b'{"a": 01}', "malformed", id="leading zero"),
        pytest.param(b'{"a": NaN}', "malformed", id="NaN"),
        pytest.param(b'{"a": Infinity}', "malformed", id="Infinity"),
        pytest.param(b'{"a": -Infinity}', "malformed", id="minus Infinity"),
        pytest.param(b'{"a": 1e400}', "number_out_of_range", id="1e400"),
        pytest.param(b'{"a": 9007199254740993}', "number_out_of_range", id="integer beyond 2^53"),
        pytest.param(b'{"a": -9007199254740993}', "number_out_of_range", id="integer below -2^53"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "number_out_of_range", id="integer of 5,000 digits"),
        pytest.param(b'{"a": 0.' + b"1" * 5000 + b"}", "number_out_of_range", id="fraction of 5,000 digits"),
        pytest.param(b'{"a": 1, "a": 2}', "duplicate_key", id="duplicate key"),
        pytest.param(b'{"x": {"a": 1, "\\u0061": 2}}', "duplicate_key", id="duplicate key, once escaped"),
        pytest.param(b"[" * 33 + b"]" * 33, "too_deep", id="33 levels"),
        pytest.param(b'{"a":' * 2000 + b"1" + b"}" * 2000, "too_deep", id="2,000 levels"),
        pytest.param(b"[" * 9_000, "too_deep", id="9,000 levels never closed"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "too_many_values", id="100,000 levels"),
        pytest.param(b"[" + b"1," * 10_000 + b"1]", "too_many_values", id="10,001 numbers"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', "byte_order_mark", id="byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), "byte_order_mark", id="UTF-16"),
        pytest.param('{"a": "é"}'.encode("latin-1"), "bad_encoding", id="Latin-1"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', "bad_encoding", id="surrogate in UTF-8"),
        pytest.param(b'{"a": "\xc0\x80"}', "bad_encoding", id="overlong NUL"),
        pytest.param(b"[1]", "not_an_object", id="list on top"),
        pytest.param(b'"text"', "not_an_object", id="string on top"),
        pytest.param(b"null", "not_an_object", id="null on top"),
        pytest.param(b"12", "not_an_object", id="number on top"),
        pytest.param(b"true", "not_an_object", id="true on top"),
    ],
)
def test_what_is_not_clean_json_is_refused(send, body, code):
    answer = refusal(send(body))

    assert answer["code"] == code


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        pytest.param(b'{"items": [{"name": "a\\u0000b"}]}', "items.0.name", "NUL", id="NUL in a value"),
        pytest.param(b'{"a\\u0000b": 1}', r"a\x00b", "NUL", id="NUL in a key"),
        pytest.param(b'{"name": "\\ud800"}', "name", "surrogate", id="lone surrogate in a value"),
        pytest.param(b'{"\\udfff": 1}', r"\udfff", "surrogate", id="lone surrogate in a key"),
        pytest.param(b'{"name": "\\udc00\\ud800"}', "name", "surrogate", id="surrogates the wrong way round"),
        pytest.param(b'{"name": "' + b"x" * (256 * 1024 + 1) + b'"}', "name", "longer", id="string over 256 KiB"),
        pytest.param(b'{"' + b"k" * 257 + b'": 1}', "k" * 64 + "…", "longer", id="key over 256 bytes"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_with_its_place(send, body, place, words):
    answer = refusal(send(body))

    assert [error["field"] for error in answer["errors"]] == [place]
    assert words in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 32 + b"]" * 32, id="32 levels"),
        pytest.param(b'["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]', id="brackets inside a string"),
        pytest.param(b'["\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]', id="brackets after an escaped quote"),
        pytest.param(b"[" + b"1," * 9_998 + b"1]", id="10,000 values"),
        pytest.param(b"[9007199254740992, -9007199254740992]", id="integers of 2^53"),
        pytest.param(b'["\\ud83d\\ude42"]', id="a pair of surrogates"),
        pytest.param(b'["' + b"x" * 256 * 1024 + b'"]', id="string of 256 KiB"),
    ],
)
def test_what_is_just_within_the_limits_is_taken(send, body):
    response = send(body, "/api/test/echo-lists")

    assert response.json() == {"body": json.loads(body)}


def test_a_body_beyond_the_limit_is_not_even_read(send):
    response = send(b'{"a": "' + b"x" * 1024 * 1024 + b'"}')

    assert response.status_code == 413
    assert response.json()["limit"] == 1024 * 1024


def test_a_view_may_set_its_own_limit(send):
    response = send(b'{"a": "' + b"x" * 100 + b'"}', "/api/test/echo-small")

    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
    ],
)
def test_json_under_another_name_is_never_reinterpreted(send, content_type):
    response = send(b'{"a": 1}', content_type=content_type)

    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


def test_json_may_say_that_it_is_utf_8(send):
    response = send(b'{"a": 1}', content_type='Application/JSON; charset="UTF-8"')

    assert response.json() == {"body": {"a": 1}}


def test_a_compressed_body_is_not_taken(send):
    response = send(b"\x1f\x8b...", **{"Content-Encoding": "gzip"})

    assert response.status_code == 415


def test_a_plain_view_reads_json_as_strictly(send):
    response = send(b'{"a": 1, "a": 2}', "/api/test/plain")

    assert refusal(response)["code"] == "duplicate_key"


def test_a_plain_view_has_a_limit_too(send):
    response = send(b'{"a": "' + b"x" * 1000 + b'"}', "/api/test/plain")

    assert response.status_code == 413


def test_a_plain_view_takes_no_other_kind_of_body(send):
    response = send(b"a=1", "/api/test/plain", "application/x-www-form-urlencoded")

    assert response.status_code == 415


def test_a_plain_view_takes_an_empty_body_for_an_empty_object(send):
    response = send(b"", "/api/test/plain", "")

    assert response.json() == {"body": {}}


def test_the_parser_has_a_limit_of_its_own():
    with pytest.raises(TooLarge):
        parse_json_bytes(b"[1, 2, 3]", limit=8)


def test_the_parser_can_insist_on_an_object():
    with pytest.raises(Invalid, match="a list"):
        parse_json_object(b"[1]")


def test_text_of_strangers_is_shortened_and_made_visible():
    assert shown("a\x1b[31m\u202eb" + "x" * 100) == "a\\x1b[31m\\u202eb" + "x" * 56 + "…"
