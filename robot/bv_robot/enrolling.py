"""Becoming a robot of an orchestrator, by the key of a machine or by one for enrolling machines."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

from bv_robot import __version__, api, client, config, orders, platforms, spool
from bv_robot.client import Backoff, Client
from bv_robot.config import Config, ConfigError, Home, Identity
from bv_robot.spool import Spool

LOOK_EVERY = 0.2
"""Seconds between two looks whether the operator wants the robot to end."""

log = logging.getLogger("bv_robot")


def enrol(home: Home, settings: Config, key: str) -> Identity:
    """Register with the orchestrator and store who we are. The same name again is the same robot.

    Raises:
        Trouble: when the orchestrator refuses or cannot be reached.
    """
    http = Client(settings.url, ca_file=settings.ca_file)
    try:
        answer = api.register_robot(http, _enrolment(home, settings, key))
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
    if not _was_this_robot(home, identity):
        # Ticks of one orchestrator, told to another, would look to it like lost commits of its own.
        Spool(home.spool).forget_session()
    config.write_identity(home, identity)
    return identity


def _was_this_robot(home: Home, identity: Identity) -> bool:
    try:
        former = config.read_identity(home)
    except ConfigError:
        return False
    return former is not None and former.robot_id == identity.robot_id


def enrol_patiently(home: Home, settings: Config, key: str) -> Identity | None:
    """The same, but wait for an orchestrator that is not there yet; a refusal is still raised at once.

    Returns None where the operator has the robot end meanwhile.
    """
    backoff, told = Backoff(), ""
    while not orders.urgency_of_stop(home):
        try:
            return enrol(home, settings, key)
        except (client.Unreachable, client.ServerTrouble) as trouble:
            if str(trouble) != told:
                told = str(trouble)
                _tell_of_waiting(home, told)
            _pause(home, backoff.pause(trouble))
    orders.forget_stop(home)
    log.info("Told to end before it was enrolled")
    return None


def _tell_of_waiting(home: Home, trouble: str) -> None:
    log.warning("Not enrolled yet, which is tried again: %s", trouble)
    with contextlib.suppress(OSError):  # It is for `bv-robot status` alone.
        spool.write_note(home.status_file, {"pid": os.getpid(), "trouble": f"Not enrolled yet: {trouble}"})


def _pause(home: Home, seconds: float) -> None:
    deadline = platforms.steady() + seconds
    while platforms.steady() < deadline and not orders.urgency_of_stop(home):
        time.sleep(min(LOOK_EVERY, seconds))


def identity_for(home: Home, settings: Config, key: str | None) -> Identity | None:
    """The stored identity where it fits the address asked for, else a fresh one; None where told to end meanwhile.

    Raises:
        ConfigError: when neither is possible.
        Refusal: when the orchestrator says no.
    """
    known = config.read_identity(home)
    if known and settings.url in {"", known.url} and settings.name in {"", known.name}:
        return known
    if settings.url and key:
        return enrol_patiently(home, settings, key)
    if known:
        asked = f"{settings.name or known.name} at {settings.url or known.url}"
        raise ConfigError(f"This robot is enrolled as {known.name} at {known.url}, not as {asked}: enrol it again")
    raise ConfigError(
        "This robot is not enrolled. Begin with: bv-robot run --url URL --key KEY. The key is "
        "shown once, where a machine (bvm_…) or an enrolment key (bvt_…) is made at the orchestrator"
    )


def key_from(home: Home, settings: Config, environ: Mapping[str, str], *, flag: str | None = None) -> str | None:
    """The enrolment key: of the flag, the environment, the file an installation left, or the file that is set.

    Raises:
        ConfigError: when the file that is set cannot be read.
    """
    if given := flag or environ.get("ORCHESTRATOR_API_KEY"):
        return given.strip()
    left = Home(home.caches).key_file
    named = left if left.is_file() else Path(settings.key_file) if settings.key_file else None
    try:
        return named.read_text(encoding="utf-8").strip() if named else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"key_file: {named} cannot be read: {error}") from error


def signature(settings: Config) -> str:
    """The text that stands for this host: the operator's, else the host's own."""
    return settings.machine_signature or platforms.machine_signature()


def _enrolment(home: Home, settings: Config, key: str) -> dict[str, object]:
    host = platform.node() or "robot"
    more: dict[str, object] = {"machine_name": settings.machine_name} if settings.machine_name else {}
    if home.ephemeral_file.exists():
        more["ephemeral"] = True
    return more | {
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
