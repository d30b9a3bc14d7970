"""The commands ``bv-robot install-service`` and ``uninstall-service``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from bv_robot import options
from bv_robot.services import installing

SystemOption = Annotated[
    bool, typer.Option("--system/--user", help="Start with the machine, or with this user's session.")
]


def install_service(
    system: SystemOption = False,
    name: options.Names = None,
    robots: options.Robots = None,
    url: options.Url = None,
    run_as: Annotated[
        str | None,
        typer.Option("--run-as", metavar="USER", help="The user of a service of the system; bv-robot by default."),
    ] = None,
    stop_within: Annotated[
        int,
        typer.Option(
            "--stop-within", min=10, metavar="SECONDS", help="How long jobs may take to finish when it is to end."
        ),
    ] = 3600,
    home: options.Directory = None,
    print_only: Annotated[bool, typer.Option("--print", help="Show the definition and change nothing.")] = False,
) -> None:
    """Have the machine start this robot by itself: by systemd, launchd, or a task of Windows.

    Installing once more changes what is there and starts it anew.

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


def uninstall_service(system: SystemOption = False, name: options.Names = None, home: options.Directory = None) -> None:
    """End the service and remove it, after its jobs. The robot's home and its enrolment stay."""
    place = installing.usual_home(home, is_of_system=system)
    wanted = installing.wanted_service(place, is_of_system=system, names=name or ())
    installing.uninstall(installing.manager_here(), wanted)
