"""How ``manage.py test`` calls pytest: in parallel, with a browser where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BROWSER_SETTING = "BV_CHROMIUM"
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_PLACES = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
NO_BROWSER = (
    "Leaving out the browser tests (marker `browser`): no Chromium was found. Install one (apt install chromium, or "
    f"{Path(sys.executable).parent}/playwright install chromium), or name it in {BROWSER_SETTING}."
)


def pytest_command(arguments: Sequence[str], *, with_browser: bool) -> list[str]:
    """Return the command that runs the tests, with what the person asked for on top of our defaults."""
    command = [sys.executable, "-m", "pytest"]
    if not _asks_for_processes(arguments):
        command += ["-n", str(_cores())]
    command += arguments if with_browser else without_browser_tests(arguments)
    return command


def without_browser_tests(arguments: Sequence[str]) -> list[str]:
    """Return pytest's arguments with the browser tests deselected, on top of a selection by marker that is there."""
    rest: list[str] = []
    markers = ""
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "-m":
            markers = next(remaining, "")
        elif argument.startswith("-m") and not argument.startswith("--"):
            markers = argument.removeprefix("-m").removeprefix("=")
        else:
            rest.append(argument)
    return [*rest, "-m", f"({markers}) and not browser" if markers else "not browser"]


def find_browser() -> str | None:
    """Return the Chromium to test with: the one named by ``BV_CHROMIUM``, the machine's, or Playwright's own."""
    named = os.environ.get(BROWSER_SETTING)
    if named:
        return named
    on_path = next((found for name in BROWSER_NAMES if (found := shutil.which(name))), None)
    in_place = next((str(place) for place in BROWSER_PLACES if place.exists()), None)
    return on_path or in_place or _playwrights_own()


def _playwrights_own() -> str | None:
    """Ask Playwright where its own browser would be, in a process of its own: it starts an event loop."""
    question = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as playwright:\n"
        "    print(playwright.chromium.executable_path)\n"
    )
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=False)
    path = answer.stdout.strip()
    return path if path and Path(path).exists() else None


def _asks_for_processes(arguments: Sequence[str]) -> bool:
    """Say whether the person has decided about parallel runs, or debugs, which cannot be done in parallel."""
    return any(
        argument.startswith(("-n", "--numprocesses", "--pdb", "--trace")) or "no:xdist" in argument
        for argument in arguments
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
