"""The commands ``bv-robot install-service`` and ``uninstall-service``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bv_robot.services import installing

HomeOption = Annotated[Path | None, typer.Option("--home", help="The robot's directory (BV_ROBOT_HOME).")]
SystemOption = Annotated[
    bool, typer.Option("--system/--user", help="Start with the machine, or with this user's session.")
]
NamesOption = Annotated[
    list[str] | None, typer.Option("--name", help="The robot's name. Several times: several robots.")
]


def install_service(
    system: SystemOption = False,
    name: NamesOption = None,
    robots: Annotated[int | None, typer.Option("--robots", min=1, help="How many robots to be.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="The orchestrator's address (ORCHESTRATOR_URL).")] = None,
    run_as: Annotated[
        str | None, typer.Option("--run-as", help="The user of a service of the system; bv-robot by default.")
    ] = None,
    stop_within: Annotated[
        int, typer.Option("--stop-within", min=10, help="Seconds in which jobs may be finished when it is to end.")
    ] = 3600,
    home: HomeOption = None,
    print_only: Annotated[bool, typer.Option("--print", help="Show the definition and change nothing.")] = False,
) -> None:
    """Have the machine run this robot: by systemd, launchd, or a task of Windows. Again changes what is there.

    ORCHESTRATOR_API_KEY, where it is set, is left for the first start, in a file that goes once it has enrolled.
    """
    address = url or os.environ.get("ORCHESTRATOR_URL") or None
    wanted = installing.wanted_service(
        installing.usual_home(home, is_of_system=system),
        is_of_system=system,
        names=name or (),
        robots=robots,
        url=address,
        run_as=run_as,
        stop_within=stop_within,
    )
    manager = installing.manager_here()
    if print_only:
        typer.echo(manager.unit(wanted), nl=False)
        return
    installing.install(manager, wanted, key=os.environ.get("ORCHESTRATOR_API_KEY"))


def uninstall_service(system: SystemOption = False, name: NamesOption = None, home: HomeOption = None) -> None:
    """End the service and remove it, after its jobs. The robot's home and its enrolment stay."""
    place = installing.usual_home(home, is_of_system=system)
    wanted = installing.wanted_service(place, is_of_system=system, names=name or ())
    installing.uninstall(installing.manager_here(), wanted)
