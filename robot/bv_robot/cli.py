"""The command ``bv-robot``."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from bv_robot import (
    __version__,
    config,
    enrolling,
    listener,
    operating,
    options,
    running_once,
    several,
    showing_config,
    showing_logs,
    showing_status,
    telling,
    template,
    tending,
)
from bv_robot.client import Client, Refusal, Trouble, Unreachable
from bv_robot.config import ConfigError, Home
from bv_robot.maintaining import cleanup, doctor, kept, prewarm
from bv_robot.packages import building, checking, publishing
from bv_robot.services.wanted import NotPossible
from bv_robot.serving import install_service, uninstall_service
from bv_robot.spool import AlreadyRunning, HomeLock

log = logging.getLogger("bv_robot")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
package_app = typer.Typer(no_args_is_help=True, help="Check, build and publish packages.")

ProjectArgument = Annotated[Path, typer.Argument(exists=True, help="The project's folder, or a .bvpackage file.")]
FolderArgument = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The project's folder.")]

KEY_HELP = "The key shown once where a machine (bvm_…) or an enrolment key (bvt_…) is made"
HINTS = {
    "bad_machine_key": "A machine's key (bvm_…) is shown once, when the machine is added or its key is regenerated; "
    "an enrolment key (bvt_…) may have expired or been revoked.",
    "enrolment_network": "The enrolment key is good in certain networks only, which its page names.",
    "enrolment_used_up": "The enrolment key has made as many machines as it may: make another, or raise its number.",
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
    except (
        ConfigError,
        AlreadyRunning,
        Trouble,
        listener.LoopDied,
        building.NotBuilt,
        showing_logs.NoLog,
        NotPossible,
    ) as error:
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


@app.command(rich_help_panel=options.BEGINNING)
def enroll(
    url: Annotated[str, typer.Argument(metavar="URL", help="The orchestrator's address.")],
    key: Annotated[str, typer.Option("--key", envvar="ORCHESTRATOR_API_KEY", metavar="KEY", help=f"{KEY_HELP}.")],
    name: options.Names = None,
    robots: options.Robots = None,
    home: options.Directory = None,
) -> None:
    """Make this machine's robot, or several, known to an orchestrator; once, before the first run."""
    place = Home.at(home, os.environ)
    place.make()
    flags = _flags(None, url, name, robots)
    settings = config.load(place, os.environ, **flags)
    names = several.names_of(settings)
    places = [tending.prepared(place, each) for each in names] or [place]
    for each in places:
        own = flags | ({"name": each.root.name} if names else {})
        identity = enrolling.enrol(each, config.load(each, os.environ, **own), key)
        telling.say(f"Enrolled as {identity.name} at {identity.url}. Start with: bv-robot run", name=identity.name)


@app.command(rich_help_panel=options.BEGINNING)
def run(
    url: options.Url = None,
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help=f"{KEY_HELP} (ORCHESTRATOR_API_KEY).")] = None,
    name: options.Names = None,
    robots: options.Robots = None,
    home: options.Directory = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End once there is nothing to do.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Run one job, then leave the orchestrator for good.")] = False,
    idle_timeout: Annotated[
        float | None,
        typer.Option("--idle-timeout", min=0, metavar="SECONDS", help="With --once: give up where no job comes."),
    ] = None,
    log_level: Annotated[
        str,
        typer.Option(
            "--log-level", envvar="LOG_LEVEL", callback=_known_level, metavar="LEVEL", help="DEBUG, INFO, WARNING …"
        ),
    ] = "INFO",
    given: options.Settings = None,
) -> None:
    """Take jobs and run them, until told to stop. Enrols by itself where it was given an address and a key.

    Ctrl-C ends it and its jobs now; SIGTERM, or `bv-robot stop`, has it finish them first.

    Exit codes with --once: 0 the job was completed; 1 it could not begin;
    3 the job failed; 4 it was cancelled; 5 no job came in time;
    6 its result could not be delivered, and is kept; 7 stopped, and the job handed back.
    """
    telling.set_up_logging(log_level)
    flags = _flags(given, url, name, robots)
    if once and until_idle:
        raise typer.BadParameter("--once ends by itself: leave --until-idle out")
    if idle_timeout is not None and not once:
        raise typer.BadParameter("--idle-timeout goes with --once")
    if once:
        is_home_given = bool(home or os.environ.get("BV_ROBOT_HOME"))
        given_home = Home.at(home, os.environ) if is_home_given else None
        raise typer.Exit(running_once.come_and_go(given_home, flags, key, idle_timeout=idle_timeout))
    _stay(Home.at(home, os.environ), flags, key, log_level, is_until_idle=until_idle)


def _stay(place: Home, flags: dict[str, str], key: str | None, log_level: str, *, is_until_idle: bool) -> None:
    place.make()
    settings = config.load(place, os.environ, **flags)
    known_key = enrolling.key_from(place, settings, os.environ, flag=key)
    if names := several.names_of(settings):
        tending.keep(place, names, tending.Request(flags, known_key, log_level, is_until_idle))
        return
    # Before enrolling, which may wait long: orders reach whoever holds the home.
    HomeLock(place.lock_file).take()
    if identity := enrolling.identity_for(place, settings, known_key):
        place.key_file.unlink(missing_ok=True)
        listener.listen(place, settings, identity, key=known_key, is_until_idle=is_until_idle)


@app.command(hidden=True)
def member(home: Annotated[Path, typer.Option("--home")]) -> None:
    """Be one of several robots, for the process that keeps them."""
    tending.serve(Home.at(home, os.environ))


def _flags(
    given: list[str] | None, url: str | None, names: list[str] | None, robots: int | None = None
) -> dict[str, str]:
    """The settings among the flags. One that has a flag of its own is strongest there."""
    names = names or []
    if len(names) > 1 and robots is not None:
        raise ConfigError("--robots and several --name: give the number, or the names")
    own = {"url": url, "name": names[0] if len(names) == 1 else None, "robots": str(robots) if robots else None}
    if len(names) > 1:
        own["robots"] = os.pathsep.join(names)
    return config.parsed_flags(given or []) | {flag: value for flag, value in own.items() if value is not None}


@app.command(rich_help_panel=options.LOOKING)
def status(home: options.Directory = None, name: options.One = None) -> None:
    """Show who this robot is, whether it runs, and what it has in hand; of several robots each."""
    showing_status.show(Home.at(home, os.environ), name=name)


@app.command("config", rich_help_panel=options.LOOKING)
def show_config(
    url: options.Url = None,
    name: options.Names = None,
    robots: options.Robots = None,
    home: options.Directory = None,
    given: options.Settings = None,
    as_template: Annotated[
        bool, typer.Option("--template", help="Print a config.yaml with every setting and what it is for.")
    ] = False,
) -> None:
    """Show each setting, its value and where it comes from (file, environment, flags: the last is strongest)."""
    if as_template:
        typer.echo(template.text(), nl=False)
        return
    flags = _flags(given, url, name, robots)
    showing_config.show(Home.at(home, os.environ), os.environ, home_flag=home is not None, flags=flags)


@app.command("logs", rich_help_panel=options.LOOKING)
def show_logs(
    job: Annotated[
        str | None, typer.Option("--job", metavar="ID", help="A job's or execution's; the newest by default.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the execution has ended.")] = False,
    home: options.Directory = None,
    name: options.One = None,
) -> None:
    """Print the log of an execution, as far as it is on this machine."""
    showing_logs.show(Home.at(home, os.environ), job=job, is_followed=follow, name=name)


# Orders


@app.command(rich_help_panel=options.STEERING)
def pause(home: options.Directory = None, name: options.One = None) -> None:
    """Take nothing new until resumed, also after a restart. What runs goes on."""
    for place in several.homes(Home.at(home, os.environ), name):
        operating.pause(place)


@app.command(rich_help_panel=options.STEERING)
def resume(home: options.Directory = None, name: options.One = None) -> None:
    """Take work again after a pause."""
    for place in several.homes(Home.at(home, os.environ), name):
        operating.resume(place)


@app.command(rich_help_panel=options.STEERING)
def drain(home: options.Directory = None, name: options.One = None) -> None:
    """Finish what runs, take nothing new, then end. A service starts it again: use pause there."""
    for place in several.homes(Home.at(home, os.environ), name):
        operating.drain(place)


@app.command(rich_help_panel=options.STEERING)
def stop(
    now: Annotated[bool, typer.Option("--now", help="End what runs, instead of finishing it.")] = False,
    home: options.Directory = None,
    name: options.One = None,
) -> None:
    """Finish what runs, take nothing new, then end, as SIGTERM does. Asked again: end it now, and report that."""
    for place in several.homes(Home.at(home, os.environ), name):
        operating.stop(place, is_urgent=now)


# Kept elsewhere

app.command("install-service", rich_help_panel=options.BEGINNING)(install_service)
app.command("uninstall-service", rich_help_panel=options.BEGINNING)(uninstall_service)
app.command(rich_help_panel=options.LOOKING)(doctor)
app.command(rich_help_panel=options.LOOKING)(kept)
app.command(rich_help_panel=options.TIDYING)(prewarm)
app.command(rich_help_panel=options.TIDYING)(cleanup)
app.add_typer(package_app, name="package", rich_help_panel=options.FOR_AUTHORS)


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
    url: options.Url = None,
    key: Annotated[str | None, typer.Option("--key", help="An API key (ORCHESTRATOR_API_KEY).")] = None,
    home: options.Directory = None,
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
    """Runs the jobs of a BV Orchestrator on this machine.

    To begin, make a machine there, and take the address and the key that it shows:

    bv-robot run --url https://orchestrator.example --key bvm_…

    Something is wrong? Ask bv-robot doctor.
    """
    if show:
        telling.console.print(f"bv-robot {__version__}")
        raise typer.Exit
