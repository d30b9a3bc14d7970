"""The command ``bv-robot``."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from bv_robot import (
    __version__,
    config,
    enrolling,
    listener,
    operating,
    orders,
    problems,
    showing_config,
    showing_logs,
    spool,
    telling,
)
from bv_robot.client import Client, Refusal, Trouble, Unreachable
from bv_robot.config import Config, ConfigError, Home, Identity
from bv_robot.maintaining import cleanup, doctor, kept, prewarm
from bv_robot.packages import building, checking, publishing
from bv_robot.spool import AlreadyRunning, HomeLock, Spool

log = logging.getLogger("bv_robot")

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The robot of BV Orchestrator."
)
package_app = typer.Typer(no_args_is_help=True, help="Check, build and publish packages.")
app.add_typer(package_app, name="package")
app.command()(doctor)
app.command()(cleanup)
app.command()(kept)
app.command()(prewarm)

HomeOption = Annotated[Path | None, typer.Option("--home", help="The robot's directory (BV_ROBOT_HOME).")]
UrlOption = Annotated[str | None, typer.Option("--url", help="The orchestrator's address (ORCHESTRATOR_URL).")]
NameOption = Annotated[str | None, typer.Option("--name", help="The robot's name; the host's by default.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="A setting, as NAME=VALUE; may be repeated.")]
ProjectArgument = Annotated[Path, typer.Argument(exists=True, help="The project's folder, or a .bvpackage file.")]
FolderArgument = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The project's folder.")]

HINTS = {
    "bad_machine_key": "A machine's key (bvm_…) is shown once, when the machine is added or its key is regenerated.",
    "machine_mismatch": "Each host needs a machine, and a key, of its own.",
    "robot_elsewhere": "Choose another name by --name.",
}
"""What to do about a refusal, by its code."""


def main() -> None:
    """Run the command; a failure is one sentence, not a traceback."""
    try:
        app()
    except Unreachable as error:
        _end(f"{error}. Is the address right, and does the orchestrator run?", error)
    except Refusal as error:
        _end(f"{error}. {HINTS[error.code]}" if error.code in HINTS else str(error), error)
    except (ConfigError, AlreadyRunning, Trouble, listener.LoopDied, building.NotBuilt, showing_logs.NoLog) as error:
        _end(str(error), error)
    except OSError as error:
        _end(f"{error.filename}: {error.strerror}" if error.filename else str(error), error)


def _end(told: str, cause: Exception) -> NoReturn:
    telling.complain(told)
    raise SystemExit(1) from cause


def _known_level(name: str) -> str:
    known = logging.getLevelNamesMapping()
    if name.upper() not in known:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(known)}")
    return name.upper()


@app.command()
def enroll(
    url: Annotated[str, typer.Argument(help="The orchestrator's address.")],
    key: Annotated[str, typer.Option("--key", envvar="ORCHESTRATOR_API_KEY", help="The machine's enrolment key.")],
    name: NameOption = None,
    home: HomeOption = None,
) -> None:
    """Become a robot of an orchestrator."""
    place = Home.at(home, os.environ)
    place.make()
    identity = enrolling.enrol(place, config.load(place, os.environ, url=url, name=name), key)
    telling.say(f"Enrolled as {identity.name} at {identity.url}. Start with: bv-robot run", name=identity.name)


@app.command()
def run(
    url: UrlOption = None,
    key: Annotated[str | None, typer.Option("--key", help="The enrolment key (ORCHESTRATOR_API_KEY).")] = None,
    name: NameOption = None,
    home: HomeOption = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End once there is nothing to do.")] = False,
    log_level: Annotated[str, typer.Option("--log-level", envvar="LOG_LEVEL", callback=_known_level)] = "INFO",
    given: SetOption = None,
) -> None:
    """Take jobs and run them, until told to stop. Enrols by itself where it was given an address and a key."""
    telling.set_up_logging(log_level)
    place = Home.at(home, os.environ)
    place.make()
    settings = config.load(place, os.environ, **_flags(given, url, name))
    known_key = key or os.environ.get("ORCHESTRATOR_API_KEY")
    # Before enrolling, which may wait long: orders reach whoever holds the home.
    HomeLock(place.lock_file).take()
    if identity := _identity(place, settings, known_key):
        listener.listen(place, settings, identity, key=known_key, is_until_idle=until_idle)


def _flags(given: list[str] | None, url: str | None, name: str | None) -> dict[str, str]:
    """The settings among the flags. One that has a flag of its own is strongest there."""
    own = {"url": url, "name": name}
    return config.parsed_flags(given or []) | {flag: value for flag, value in own.items() if value is not None}


def _identity(home: Home, settings: Config, key: str | None) -> Identity | None:
    """The stored identity where it fits the address asked for, else a fresh one; None where told to end meanwhile.

    Raises:
        ConfigError: when neither is possible.
    """
    known = config.read_identity(home)
    if known and settings.url in {"", known.url} and settings.name in {"", known.name}:
        return known
    if settings.url and key:
        return enrolling.enrol_patiently(home, settings, key)
    if known:
        asked = f"{settings.name or known.name} at {settings.url or known.url}"
        raise ConfigError(f"This robot is enrolled as {known.name} at {known.url}, not as {asked}: enrol it again")
    raise ConfigError("This robot is not enrolled: bv-robot enroll URL --key KEY, or run with --url and --key")


@app.command()
def status(home: HomeOption = None) -> None:
    """Show who this robot is, whether it runs, and what it has in hand."""
    facts = _status(Home.at(home, os.environ))
    if not telling.is_for_a_person():
        telling.say("status", **facts)
        return
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(f"[bold]{name.replace('_', ' ')}[/]", escape(_shown(value)))
    telling.console.print(table)


def _status(home: Home) -> dict[str, Any]:
    identity = config.read_identity(home)
    facts: dict[str, Any] = {"version": __version__, "home": str(home.root), "enrolled": identity is not None}
    facts["paused"] = orders.is_paused(home)
    note, is_running = spool.read_note(home.status_file), operating.runs(home)
    if identity is None:
        waits = {name: note.get(name) for name in ("pid", "trouble")} if is_running else {}
        return facts | {"running": is_running} | waits
    memory = Spool(home.spool)
    waiting = [files for files in memory.executions() if files.has_result() and not files.is_delivered()]
    facts |= {"robot": identity.name, "orchestrator": identity.url, "running": is_running}
    facts |= {"undelivered": len(waiting), "quarantined": memory.quarantined()}
    if is_running:
        shown = ("pid", "session", "slots", "labels", "accepting", "problem", "trouble", "last_sync", "jobs")
        facts |= {name: note.get(name) for name in shown}
        facts["advice"] = problems.sentence(str(note.get("problem") or ""))
    return facts


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "\n".join(map(_line, value)) or "none"
    if isinstance(value, float):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
    return str(value if value not in (None, "") else "–")


def _line(part: Any) -> str:
    """One line of a list: a job, something in quarantine, or a label."""
    if not isinstance(part, dict):
        return str(part)
    return f"{part['phase']}: {part['what']}" if "phase" in part else f"{part['path']}: {part['why']}"


@app.command("config")
def show_config(
    url: UrlOption = None, name: NameOption = None, home: HomeOption = None, given: SetOption = None
) -> None:
    """Show each setting, its value and where it comes from. Takes the flags of `run`, to try them out."""
    flags = _flags(given, url, name)
    showing_config.show(Home.at(home, os.environ), os.environ, home_flag=home is not None, flags=flags)


@app.command("logs")
def show_logs(
    job: Annotated[str | None, typer.Option("--job", help="A job's or execution's id; the newest by default.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the execution has ended.")] = False,
    home: HomeOption = None,
) -> None:
    """Print the log of an execution, as far as it is on this machine."""
    showing_logs.show(Home.at(home, os.environ), job=job, is_followed=follow)


# Orders


@app.command()
def pause(home: HomeOption = None) -> None:
    """Take nothing new until resumed, also after a restart. What runs goes on."""
    operating.pause(Home.at(home, os.environ))


@app.command()
def resume(home: HomeOption = None) -> None:
    """Take work again after a pause."""
    operating.resume(Home.at(home, os.environ))


@app.command()
def drain(home: HomeOption = None) -> None:
    """Finish what runs, take nothing new, then end."""
    operating.drain(Home.at(home, os.environ))


@app.command()
def stop(
    now: Annotated[bool, typer.Option("--now", help="End what runs, instead of finishing it.")] = False,
    home: HomeOption = None,
) -> None:
    """End the robot as SIGTERM does: what runs is finished; asked again, it is ended and reported."""
    operating.stop(Home.at(home, os.environ), is_urgent=now)


# Packages


@package_app.command()
def validate(project: ProjectArgument = Path()) -> None:
    """Name every problem of a project or package, with its file and line."""
    found = checking.check(project)
    for problem in found:
        telling.complain(str(problem))
    if found:
        raise typer.Exit(1)
    telling.say(f"{project}: no problem found", project=str(project))


@package_app.command()
def build(
    project: FolderArgument = Path(),
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the package.")] = Path("dist"),
) -> None:
    """Build a .bvpackage. The same files give the same bytes."""
    built = building.build(project, output)
    telling.say(f"Built {built.file} (SHA-256 {built.sha256})", file=str(built.file), sha256=built.sha256)


@package_app.command()
def publish(
    package: Annotated[
        Path, typer.Argument(exists=True, help="A .bvpackage file, or a project's folder to build first.")
    ] = Path(),
    url: UrlOption = None,
    key: Annotated[str | None, typer.Option("--key", help="An API key (ORCHESTRATOR_API_KEY).")] = None,
    home: HomeOption = None,
) -> None:
    """Upload a package to the orchestrator."""
    place = Home.at(home, os.environ)
    settings = config.load(place, os.environ, url=url)
    api_key = key or os.environ.get("ORCHESTRATOR_API_KEY")
    if not (settings.url and api_key):
        raise ConfigError("Publishing needs an address and an API key: --url and --key")
    file = building.build(package, Path("dist")).file if package.is_dir() else package
    try:
        answer = publishing.publish(Client(settings.url, ca_file=settings.ca_file), file, api_key)
    except Refusal as refusal:
        for line in publishing.problems_of(refusal):
            telling.complain(line)
        raise typer.Exit(1) from refusal
    telling.say(f"Published {publishing.name_of(answer)}", **answer)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version and end.", is_eager=True)] = False,
) -> None:
    if show:
        telling.console.print(f"bv-robot {__version__}")
        raise typer.Exit
