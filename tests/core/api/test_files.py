"""Taking files in, apart from any app."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from apps.core.api.files import received
from apps.core.errors import Unavailable
from apps.core.files.facts import read_path
from apps.core.files.shelves import Shelf


@pytest.mark.usefixtures("shelf")
def test_a_body_that_was_read_before_is_asked_for_again():
    request = RequestFactory().put("/", b"a file", "text/plain")
    request.read()

    with pytest.raises(Unavailable), received(request, Shelf("files"), name="a", limit=100):
        pytest.fail("Half a file was taken for a whole one.")


@pytest.mark.parametrize("path", ["a", "2026/März.csv", "a/b/c d.txt", ".env", "..a/b"])
def test_a_path_in_any_language_is_kept(path):
    assert read_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.", "a\\b", "a/ b", "a\nb", "turned\u202e/fdp", "n" * 501],
)
def test_what_is_no_path_of_a_file_is_refused(path):
    with pytest.raises(ValueError, match="It "):
        read_path(path)
