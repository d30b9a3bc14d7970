"""``bv-robot install-service`` and ``uninstall-service``."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from bv_robot import itself, platforms, spool, telling
from bv_robot.config import Home
from bv_robot.services import launchd, schtasks, systemd, users
from bv_robot.services.wanted import NotPossible, Wanted, label_of, ran

SYSTEM_HOME = Path("/var/lib/bv-robot")
SYSTEM_USER = "bv-robot"


def manager_here(platform: str = sys.platform) -> ModuleType:
    """What runs services on this kind of machine."""
    return {"darwin": launchd, "win32": schtasks}.get(platform, systemd)


def wanted_service(
    home: Home,
    *,
    is_of_system: bool,
    names: Sequence[str] = (),
    robots: int | None = None,
    url: str | None = None,
    run_as: str | None = None,
    stop_within: int = 3600,
) -> Wanted:
    """Describe the service that runs the robot of a home with these flags.

    Raises:
        NotPossible: when a name cannot be a service's.
    """
    flags = [part for name in names for part in ("--name", name)]
    flags += ["--robots", str(robots)] if robots else []
    flags += ["--url", url] if url else []
    command = itself.command("run", "--home", str(home.root), *flags)
    user = run_as or (SYSTEM_USER if is_of_system else getpass.getuser())
    return Wanted(home, command, label_of(names), is_of_system, user, stop_within)


def install(manager: ModuleType, wanted: Wanted, *, key: str | None) -> None:
    """Make the service and start it; one that is there already is changed to what is wanted, and started anew.

    Args:
        key: An enrolment key for the first start, left in a file that only the robot's user can read until it has
            enrolled. It goes nowhere else.

    Raises:
        NotPossible: when this machine, or this user, cannot.
        ConfigError: when the home cannot be made.
    """
    check(manager, wanted)
    wanted.home.make()
    path, text = Path(manager.path_of(wanted)), manager.unit(wanted)
    if path.exists() and manager is launchd:
        _run_all(manager.before_removing(wanted))
    if key:
        spool.write_file(wanted.home.key_file, key.encode())
    if wanted.is_of_system and not platforms.IS_WINDOWS:
        _hand_over(wanted)
    _write(path, text, "utf-16" if manager is schtasks else "utf-8")
    _run_all(manager.after_writing(wanted))
    telling.say(f"{wanted.label} runs as a service ({path}). Look at it by: bv-robot status", service=str(path))
    if manager is systemd and not wanted.is_of_system:
        telling.say("It ends with your last session, unless you say: loginctl enable-linger")


def uninstall(manager: ModuleType, wanted: Wanted) -> None:
    """End the service and remove it. The home stays, with everything in it.

    Raises:
        NotPossible: when this machine, or this user, cannot.
    """
    path = Path(manager.path_of(wanted))
    if not path.exists():
        telling.say(f"There is no service {wanted.label} ({path})", service=None)
        return
    check(manager, wanted)
    _run_all(manager.before_removing(wanted))
    path.unlink()
    _run_all(manager.after_removing(wanted))
    told = f"Removed the service {wanted.label}; its home {wanted.home.root} stays, and so does the robot's enrolment"
    telling.say(told, service=None)


def check(manager: ModuleType, wanted: Wanted) -> None:
    """Look whether this user of this machine can do it.

    Raises:
        NotPossible: when not.
    """
    manager.check(wanted)
    if wanted.is_of_system and not users.may_administer():
        raise NotPossible("A service of the system needs an administrator: use sudo, or --user for one of your own")
    if wanted.is_of_system and manager is not schtasks and not users.knows_user(wanted.run_as):
        raise NotPossible(
            f"There is no user {wanted.run_as}: make one (useradd --system --home-dir {wanted.home.root} "
            f"{wanted.run_as}), or name another by --run-as"
        )


def _hand_over(wanted: Wanted) -> None:
    """The robot's user owns what was just made; nothing below it, where that user may have put links."""
    home = wanted.home
    own = (home.root, home.spool, home.packages, home.environments, home.work, home.author, home.key_file)
    for path in own:
        users.hand_over(path, wanted.run_as)


def _write(path: Path, text: str, encoding: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding=encoding)
    except OSError as error:
        raise NotPossible(f"{path} cannot be written: {error.strerror}") from error


def _run_all(commands: Sequence[list[str]]) -> None:
    for command in commands:
        ran(command)


def usual_home(given: Path | None, *, is_of_system: bool) -> Home:
    """The home of the service: the one named, else the usual one of the user, or of the system."""
    if given is None and is_of_system and not platforms.IS_WINDOWS and not os.environ.get("BV_ROBOT_HOME"):
        return Home(SYSTEM_HOME)
    return Home.at(given, os.environ)
