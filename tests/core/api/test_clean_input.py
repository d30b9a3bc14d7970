"""Addresses, framing and uploads that no view should have to think about."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

pytestmark = pytest.mark.urls("tests.core.api.urls")

BOUNDARY = "b0und"


def part(name: bytes, content: bytes, filename: bytes | None = None) -> bytes:
    file = b'; filename="' + filename + b'"' if filename is not None else b""
    head = b'Content-Disposition: form-data; name="' + name + b'"' + file
    return b"--b0und\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


def upload(client, *parts: bytes):
    body = b"".join(parts) + b"--b0und--\r\n"
    return client.generic("POST", "/api/test/upload", body, f"multipart/form-data; boundary={BOUNDARY}")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param("name=%00", "name", id="NUL in a value"),
        pytest.param("a=1&name=x%00y", "name", id="NUL in the second value"),
        pytest.param("na%00me=1", r"na\x00me", id="NUL in a name"),
        pytest.param("name=%ff", "name", id="bad UTF-8"),
        pytest.param("name=%ed%a0%80", "name", id="surrogate"),
        pytest.param("name=%c0%80", "name", id="overlong NUL"),
        pytest.param("name=caf\xe9", "name", id="bare Latin-1"),
    ],
)
@pytest.mark.parametrize("path", ["/api/test/echo", "/api/test/plain", "/api/test/records"])
def test_a_parameter_that_cannot_be_stored_is_refused_by_name(caller, path, query, field):
    response = caller.generic("GET", path, QUERY_STRING=query)

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_page_is_spared_such_parameters_too(caller):
    response = caller.get("/pages/bug", QUERY_STRING="q=%00")

    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("text/plain")


def test_other_letters_arrive_as_they_were_sent(caller):
    response = caller.get("/api/test/echo", QUERY_STRING="name=%C3%A9+%F0%9F%99%82&empty=&bare")

    assert response.json() == {"query": {"name": "é 🙂", "empty": "", "bare": ""}}


def test_more_than_a_hundred_parameters_are_refused(caller):
    response = caller.get("/api/test/echo", QUERY_STRING="&".join(["a=1"] * 101))

    assert response.status_code == 400
    assert "100" in response.json()["detail"]


def test_a_query_string_without_end_is_refused(caller):
    response = caller.get("/api/test/echo", QUERY_STRING="a=" + "x" * 17_000)

    assert response.status_code == 414


def test_a_nul_in_the_path_is_refused(caller):
    response = caller.generic("GET", "/api/test/records/%00")

    assert response.status_code == 400
    assert "NUL" in response.json()["detail"]


def test_a_body_sent_in_chunks_is_not_taken_for_an_empty_one(caller):
    response = caller.generic("POST", "/api/test/echo", headers={"Transfer-Encoding": "chunked"})

    assert response.status_code == 411
    assert response.json()["code"] == "length_required"


@pytest.mark.parametrize("length", ["-1", "1e3", "12 12", "１２"])
def test_a_length_that_is_no_number_is_refused(caller, length):
    response = caller.generic("POST", "/api/test/echo", b"{}", "application/json", CONTENT_LENGTH=length)

    assert response.status_code == 400
    assert "Content-Length" in response.json()["detail"]


def test_a_clean_upload_arrives(caller):
    file = SimpleUploadedFile("résumé.zip", b"PK\x00\x01", "application/zip")

    response = caller.post("/api/test/upload", {"name": "naïve", "file": file})

    assert response.json() == {"fields": {"name": "naïve"}, "files": {"file": "résumé.zip"}}


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        pytest.param([part(b"name", b"a\x00b")], "name", id="NUL in a text"),
        pytest.param([part(b"name", b"\xff\xfe")], "name", id="bad UTF-8 in a text"),
        pytest.param([part(b"name", b"\xed\xa0\x80")], "name", id="surrogate in a text"),
        pytest.param([part(b"k" * 300, b"x")], "k" * 64 + "…", id="name too long"),
        pytest.param([part(b"file", b"x", b"x\"; filename*=\"UTF-8''a%ff.zip")], "file", id="bad UTF-8 in a file name"),
    ],
)
def test_a_part_that_cannot_be_stored_is_refused_by_name(caller, parts, field):
    response = upload(caller, *parts)

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_an_upload_beyond_the_limit_is_not_even_read(caller):
    response = upload(caller, part(b"file", b"x" * 5000, b"a.zip"))

    assert response.status_code == 413


def test_an_upload_that_is_no_form_is_refused(caller):
    response = caller.generic("POST", "/api/test/upload", b"{}", "application/json")

    assert response.status_code == 415


def test_a_form_without_a_boundary_is_refused(caller):
    response = caller.generic("POST", "/api/test/upload", b"x", "multipart/form-data")

    assert response.status_code == 400
    assert response.json()["code"] == "malformed"


def test_a_form_of_too_many_fields_is_refused(caller, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3

    response = upload(caller, *[part(b"a", b"1")] * 4)

    assert response.status_code == 400
