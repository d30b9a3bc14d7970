"""Becoming a robot of an orchestrator, by a machine's key."""

from __future__ import annotations

import logging
import platform
import time

from bv_robot import __version__, api, client, config, platforms
from bv_robot.client import Backoff, Client
from bv_robot.config import Config, Home, Identity

log = logging.getLogger("bv_robot")


def enrol(home: Home, settings: Config, key: str) -> Identity:
    """Register with the orchestrator and store who we are. The same name again is the same robot.

    Raises:
        Trouble: when the orchestrator refuses or cannot be reached.
    """
    http = Client(settings.url, ca_file=settings.ca_file)
    try:
        answer = api.register_robot(http, _enrolment(settings, key))
    finally:
        http.close()
    identity = Identity(
        url=settings.url,
        robot_id=answer["robot_id"],
        machine_id=answer["machine_id"],
        name=answer["name"],
        api_token=answer["api_token"],
        machine_signature=signature(settings),
    )
    config.write_identity(home, identity)
    return identity


def enrol_patiently(home: Home, settings: Config, key: str) -> Identity:
    """The same, but wait for an orchestrator that is not there yet; a refusal is still raised at once."""
    backoff, told = Backoff(), ""
    while True:
        try:
            return enrol(home, settings, key)
        except (client.Unreachable, client.ServerTrouble) as trouble:
            if str(trouble) != told:
                log.warning("The orchestrator at %s cannot be reached yet: %s", settings.url, trouble)
            told = str(trouble)
            time.sleep(backoff.pause(trouble))


def signature(settings: Config) -> str:
    """The text that stands for this host: the operator's, else the host's own."""
    return settings.machine_signature or platforms.machine_signature()


def _enrolment(settings: Config, key: str) -> dict[str, object]:
    host = platform.node() or "robot"
    named = {"machine_name": settings.machine_name} if settings.machine_name else {}
    return named | {
        "name": settings.name or host,
        "machine_key": key,
        "machine_signature": signature(settings),
        "machine_info": {
            "hostname": host,
            "os": platform.platform(),
            "python": platform.python_version(),
            "version": __version__,
            "boot_id": platforms.boot_id(),
        },
    }
