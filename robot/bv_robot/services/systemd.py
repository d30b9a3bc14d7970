"""The robot as a service of systemd: the text of its unit, and having systemd take it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bv_robot.services.wanted import NotPossible, Wanted

RUNTIME = Path("/run/systemd/system")
"""Exists where systemd is what runs this machine."""

SANDBOX = """\
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={home}
PrivateTmp=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
CapabilityBoundingSet=
"""
"""What only the system's manager can do to a service. Control groups stay writable: jobs have limits by them."""

UNIT = """\
[Unit]
Description=bv-robot, which runs jobs of BV Orchestrator ({name})
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
{user}WorkingDirectory={directory}
EnvironmentFile=-{environment}
Restart=always
RestartSec=5
# Only the robot is asked to end, and finishes its jobs; what is left after that time is killed.
KillMode=mixed
TimeoutStopSec={stop_within}
# Jobs get control groups below the service's own.
Delegate=yes
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
{sandbox}
[Install]
WantedBy={target}
"""


def unit(wanted: Wanted) -> str:
    """The unit's text. ``strict`` and what follows it exist for services of the system only."""
    home = str(wanted.home.root)
    return UNIT.format(
        name=_specifiers(wanted.label),
        command=" ".join(map(_argument, wanted.command)),
        user=f"User={_specifiers(wanted.run_as)}\n" if wanted.is_of_system else "",
        directory=_specifiers(home),
        environment=_specifiers(str(wanted.home.environment_file)),
        stop_within=wanted.stop_within,
        sandbox=SANDBOX.format(home=_quoted(home)) if wanted.is_of_system else "",
        target="multi-user.target" if wanted.is_of_system else "default.target",
    )


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """A word in quotes, in which nothing means anything to systemd."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_specifiers(escaped)}"'


def _argument(text: str) -> str:
    plain = re.fullmatch(r"[\w./:=@,+-]+", text)
    return text if plain else _quoted(text).replace("$", "$$")


def path_of(wanted: Wanted) -> Path:
    """Where the unit lies."""
    if wanted.is_of_system:
        return Path("/etc/systemd/system", f"{wanted.label}.service")
    configuration = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(configuration, "systemd", "user", f"{wanted.label}.service")


def check(wanted: Wanted, *, runtime: Path = RUNTIME) -> None:
    """Look whether systemd can be asked.

    Raises:
        NotPossible: when it does not run here.
    """
    if not runtime.is_dir():
        raise NotPossible(
            f"systemd does not run this machine (there is no {runtime}). In a container, have the container start "
            "`bv-robot run`. The unit is shown by --print."
        )


def after_writing(wanted: Wanted) -> Sequence[list[str]]:
    """The commands that have systemd take a new or changed unit."""
    systemctl = ["systemctl"] if wanted.is_of_system else ["systemctl", "--user"]
    return [
        [*systemctl, "daemon-reload"],
        [*systemctl, "enable", f"{wanted.label}.service"],
        [*systemctl, "restart", f"{wanted.label}.service"],
    ]


def before_removing(wanted: Wanted) -> Sequence[list[str]]:
    """The commands that end the service; its jobs are finished first."""
    systemctl = ["systemctl"] if wanted.is_of_system else ["systemctl", "--user"]
    return [[*systemctl, "disable", "--now", f"{wanted.label}.service"]]


def after_removing(wanted: Wanted) -> Sequence[list[str]]:
    """The commands that have systemd forget the unit."""
    return [["systemctl", *([] if wanted.is_of_system else ["--user"]), "daemon-reload"]]
