"""The commands ``bv-robot doctor``, ``cleanup``, ``kept`` and ``prewarm``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from bv_robot import options, several
from bv_robot.cleanup import clean_up, parsed_size, show_kept
from bv_robot.config import Home
from bv_robot.doctor import examine, table
from bv_robot.prewarming import prewarm as make_ready


def doctor(
    home: options.Directory = None,
    url: options.Url = None,
    name: options.One = None,
) -> None:
    """Check all that this robot needs and say what to do. Exit code 0: nothing needs attention."""
    findings = examine(Home.at(home, os.environ), os.environ, url=url, name=name)
    typer.echo(table(findings))
    if any(finding.needs_attention for finding in findings):
        raise typer.Exit(1)


def _size(text: str) -> int:
    try:
        return parsed_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def cleanup(
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", min=0, metavar="DAYS", help="Remove what was not used for so long."),
    ] = None,
    max_size: Annotated[
        int | None,
        typer.Option("--max-size", parser=_size, metavar="SIZE", help="Remove more until the rest fits: 10G."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    home: options.Directory = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="One of several robots, which share the caches.")
    ] = None,
) -> None:
    """Make room: remove environments and packages that no job needs, and directories of failed jobs."""
    for place in several.homes(Home.at(home, os.environ), name):
        clean_up(place, older_than=older_than, max_size=max_size, is_dry_run=dry_run)


def kept(
    home: options.Directory = None,
    name: options.One = None,
) -> None:
    """List the working directories of failed jobs: when, size, what ran, and where it lies."""
    for place in several.homes(Home.at(home, os.environ), name):
        show_kept(place)


def prewarm(
    process: Annotated[
        list[str] | None,
        typer.Option("--process", metavar="NAME", help="A process, by name or id; may be repeated. All by default."),
    ] = None,
    home: options.Directory = None,
    name: options.One = None,
) -> None:
    """Build the environments of all this robot may run, so that no job waits. Exit code 0: all are ready."""
    ready = [make_ready(place, process or []) for place in several.homes(Home.at(home, os.environ), name)]
    if not all(ready):
        raise typer.Exit(1)
