"""The options that several commands of ``bv-robot`` share, and the panels of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bv_robot import several
from bv_robot.config import Home

USUAL_HOME = Home.at(None, {}).root

BEGINNING = "Beginning"
LOOKING = "Looking"
STEERING = "Telling a running robot what to do"
TIDYING = "Preparing and tidying"
FOR_AUTHORS = "For authors of packages"

Directory = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help=f"The robot's directory (BV_ROBOT_HOME); {USUAL_HOME} by default."),
]
Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="The orchestrator's address (ORCHESTRATOR_URL).")]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name", metavar="NAME", help="The robot's name; the host's by default. Given several times: so many robots."
    ),
]
Robots = Annotated[
    int | None,
    typer.Option(
        "--robots", min=1, max=several.MOST, metavar="N", help="Be so many robots; their names end in -1, -2 …"
    ),
]
One = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Only this one of several robots; all by default.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting; may be repeated. bv-robot config lists them."),
]
