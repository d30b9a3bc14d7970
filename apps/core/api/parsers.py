"""Bodies for REST framework's views: strict JSON, and uploads whose texts are as strict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any, cast

from django.core.exceptions import TooManyFieldsSent
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from rest_framework import parsers

from apps.core.api import bodies, strict_json
from apps.core.errors import Invalid, Problem

#: What stands in Django's result where the bytes were not UTF-8.
_REPLACEMENT = "\ufffd"


class StrictJsonParser(parsers.BaseParser):
    """Parses JSON objects as ``strict_json`` does.

    A view says ``body_limit`` (bytes), ``node_limit`` (values), and ``takes_lists = True`` where a list makes sense.
    """

    media_type = bodies.JSON

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request, view = _of(parser_context)
        bodies.check_kind(request.META, (self.media_type,))
        limit = getattr(view, "body_limit", strict_json.BODY_LIMIT)
        data = bodies.read_stream(stream, length=bodies.content_length(request.META), limit=limit)
        node_limit = getattr(view, "node_limit", strict_json.NODE_LIMIT)
        value = strict_json.parse_json_bytes(data, limit=limit, node_limit=node_limit)
        return value if getattr(view, "takes_lists", False) else strict_json.require_object(value)


class StrictFormParser(parsers.BaseParser):
    """Parses a plain form: each field once, its texts as strict as those of an upload."""

    media_type = bodies.FORM

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        request, view = _of(parser_context)
        bodies.check_kind(request.META, (self.media_type,))
        limit = getattr(view, "body_limit", strict_json.BODY_LIMIT)
        data = bodies.read_stream(stream, length=bodies.content_length(request.META), limit=limit)
        try:
            fields = QueryDict(data.decode("ascii"), encoding="utf-8")
        except (UnicodeDecodeError, TooManyFieldsSent) as error:
            raise Invalid("The body is no form: percent-encode it.", code="malformed") from error
        problems = list(_bad_texts(fields))
        problems += [Problem(name, "Send it once.", "duplicate") for name, values in fields.lists() if len(values) > 1]
        if problems:
            raise Invalid(f"{problems[0].field}: {problems[0].message}", problems=problems)
        return fields.dict()


class _Counted:
    """A stream that knows how much of it was read: Django's parser takes half an upload for a whole one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.bytes_read = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.bytes_read += len(data)
        return data


class StrictMultiPartParser(parsers.MultiPartParser):
    """Parses uploads; files go where the upload handlers put them, texts and file names are checked.

    ``body_limit`` of the view counts the whole body in bytes.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> parsers.DataAndFiles[Any, Any]:
        request, view = _of(parser_context)
        bodies.check_kind(request.META, (self.media_type,))
        length = bodies.content_length(request.META)
        bodies.check_length(length, getattr(view, "body_limit", strict_json.BODY_LIMIT))
        counted = _Counted(stream)
        parsed = super().parse(cast("IO[Any]", counted), media_type, parser_context)
        try:
            _check(parsed, bytes_read=counted.bytes_read, length=length)
        except Invalid:
            for _, uploads in parsed.files.lists():
                for upload in uploads:
                    upload.close()
            raise
        return parsed


def _of(parser_context: Mapping[str, Any] | None) -> tuple[Any, Any]:
    found = parser_context or {}
    return found["request"], found.get("view")


def _check(parsed: parsers.DataAndFiles[Any, Any], *, bytes_read: int, length: int) -> None:
    if bytes_read < length:
        raise Invalid(f"The body ended after {bytes_read} of {length} bytes.", code="body_cut_off")
    problems = [*_bad_texts(parsed.data), *_bad_file_names(parsed.files)]
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems=problems)


def _bad_texts(fields: QueryDict) -> Iterator[Problem]:
    for name, values in fields.lists():
        if problem := _wrong_with(name, strict_json.KEY_LIMIT):
            yield Problem(strict_json.shown(name), f"The name of this part {problem}.", "unacceptable_text")
        for value in values:
            if problem := _wrong_with(str(value), strict_json.STRING_LIMIT):
                yield Problem(strict_json.shown(name), f"{problem}.", "unacceptable_text")


def _bad_file_names(files: MultiValueDict[str, Any]) -> Iterator[Problem]:
    for name, uploads in files.lists():
        for upload in uploads:
            if problem := _wrong_with(f"{name}{upload.name}", strict_json.KEY_LIMIT):
                yield Problem(strict_json.shown(name), f"The name of this file {problem}.", "unacceptable_text")


def _wrong_with(text: str, limit: int) -> str:
    if _REPLACEMENT in text:
        return "is not UTF-8"
    return strict_json.check_text(text, limit=limit)
