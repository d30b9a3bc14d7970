"""Short ways to a report on a package that is in order but for what a test is about."""

from __future__ import annotations

import io
from textwrap import dedent
from typing import Any

from apps.packages.rules import validation
from apps.packages.rules.limits import Limits
from apps.packages.rules.signatures import Signature
from apps.packages.rules.validation import Report
from tests.packages.rules import zips


def report(files: dict[str, str | bytes] | None = None, *, content: bytes | None = None, **limits: float) -> Report:
    """Return the report on a good package with `files` added or replaced, or on `content`."""
    return validation.validate(io.BytesIO(content or zips.package(files)), Limits(**limits))


def places(found: Report) -> list[tuple[str, str, int | None]]:
    return [(problem.code, problem.file, problem.line) for problem in found.problems]


def warnings(found: Report) -> list[str]:
    return [problem.code for problem in found.warnings]


def signature(source: str, files: dict[str, str] | None = None) -> Signature:
    """Return the signature of `run` in `source`, with further `files` in the package."""
    found = report({"main.py": dedent(source), **(files or {})})
    assert found.problems == ()
    return found.entrypoints[0].signature


def schema_of(annotation: str, before: str = "", files: dict[str, str] | None = None) -> Any:
    """Return the schema of one parameter with this annotation, without its title."""
    source = f"{dedent(before)}\ndef run(value: {annotation}): ..."
    found = signature(source, files).input_schema["properties"]["value"]
    return {key: value for key, value in found.items() if key != "title"}
