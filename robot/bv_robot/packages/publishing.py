"""Bringing a package to the orchestrator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bv_robot import api
from bv_robot.client import Client, Refusal


def publish(http: Client, file: Path, api_key: str) -> dict[str, Any]:
    """Upload a package and return what the orchestrator made of it.

    Raises:
        Refusal: with every problem the orchestrator found.
        Trouble: when it cannot be reached.
    """
    return api.upload_package(http, file, api_key)


def name_of(answer: dict[str, Any]) -> str:
    """The name and version of a published package, in any of the dialects of orchestrators."""
    package = answer.get("package")
    name = package.get("name") if isinstance(package, dict) else answer.get("name")
    return f"{name} {answer.get('version')}"


def problems_of(refusal: Refusal) -> list[str]:
    """What the orchestrator found wrong, one line each, with file and line where it names them."""
    found = refusal.body.get("errors")
    if isinstance(found, dict):
        found = [{"field": field, "detail": detail} for field, detail in found.items()]
    lines = [_line(problem) for problem in found] if isinstance(found, list) else []
    return lines or [str(refusal)]


def _line(problem: Any) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    place = ":".join(str(problem[name]) for name in ("file", "line") if problem.get(name)) or problem.get("field")
    told = problem.get("message") or problem.get("detail") or problem
    return f"{place}: {told}" if place else str(told)
