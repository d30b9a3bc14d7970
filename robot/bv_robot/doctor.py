"""``bv-robot doctor``: what was checked, what was found, and what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from bv_robot import checks_of_host, checks_of_server, config, several
from bv_robot.config import Config, ConfigError, Home
from bv_robot.findings import Finding

WIDTH_OF_STATE, WIDTH_OF_NAME = 8, 14


def examine(
    home: Home, environ: Mapping[str, str], *, url: str | None = None, name: str | None = None
) -> list[Finding]:
    """Check everything, of several robots each one's own part too. Nothing is changed; no secret is among it."""
    try:
        first, *others = several.homes(home, name)
    except ConfigError as error:
        return [*_examine(home, environ, url), Finding.problem("robots", str(error), "Name another by --name")]
    own = [
        dataclasses.replace(found, found=f"{several.name_of(place) or 'the one of this home'}: {found.found}")
        for place in others
        for found in checks_of_host.check_robot(place, environ)
    ]
    return [*_examine(first, environ, url), *own]


def _examine(home: Home, environ: Mapping[str, str], url: str | None) -> list[Finding]:
    try:
        settings = config.load(home, environ, url=url)
    except ConfigError as error:
        told = Finding.problem("settings", str(error), "Correct it; the server was not looked at without it")
        return [told, *checks_of_host.check(home, Config(), environ)]
    settled = Finding("settings", f"{home.config_file}" if home.config_file.exists() else "the usual ones")
    return [settled, *checks_of_server.check(home, settings), *checks_of_host.check(home, settings, environ)]


def table(findings: Iterable[Finding]) -> str:
    """The findings as plain text: state, what was checked, what was found, and below it what to do."""
    found = list(findings)
    lines = [line for finding in found for line in _lines(finding)]
    count = sum(finding.needs_attention for finding in found)
    summary = f"{count} of {len(found)} need attention." if count else "Nothing needs attention."
    return "\n".join([*lines, "", summary])


def _lines(finding: Finding) -> list[str]:
    start = f"{finding.state:{WIDTH_OF_STATE}}{finding.name:{WIDTH_OF_NAME}}"
    below = "\n" + " " * (WIDTH_OF_STATE + WIDTH_OF_NAME)
    lines = [f"{start}{finding.found.strip().replace(chr(10), below)}"]
    if finding.advice:
        lines.append(f"{'':{WIDTH_OF_STATE + WIDTH_OF_NAME}}-> {finding.advice}")
    return lines
