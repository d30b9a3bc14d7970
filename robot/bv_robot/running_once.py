"""``bv-robot run --once``: a robot that comes for one job, delivers what came of it, and leaves the orchestrator."""

from __future__ import annotations

import dataclasses
import logging
import os
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

from bv_robot import api, client, config, enrolling, platforms, several, spool
from bv_robot.client import Backoff, Client
from bv_robot.config import Config, ConfigError, Home
from bv_robot.listener import Listener
from bv_robot.spool import ExecutionFiles, HomeLock, Record, Spool

log = logging.getLogger("bv_robot")

LEAVE_WITHIN = 20.0
"""Seconds in which leaving is tried; the orchestrator then shows the robot as offline."""


class Ended(IntEnum):
    """What came of it, as the exit code. 1 is a robot that could not begin, 2 a command that cannot be."""

    COMPLETED = 0
    FAILED = 3
    CANCELLED = 4
    NOTHING_CAME = 5
    NOT_DELIVERED = 6
    STOPPED = 7


TOLD = {
    Ended.COMPLETED: "The job was completed",
    Ended.FAILED: "The job failed",
    Ended.CANCELLED: "The job was cancelled",
    Ended.NOTHING_CAME: "No job came in time",
    Ended.NOT_DELIVERED: "The job has ended, but its result could not be delivered",
    Ended.STOPPED: "Stopped before a job was done; what had begun was handed back",
}


def come_and_go(given: Home | None, flags: Mapping[str, str], key: str | None, *, idle_timeout: float | None) -> Ended:
    """Enrol, run one job, deliver its result, and leave.

    Args:
        given: Where to work. What an earlier run that was killed left there is brought to its end instead. None for a
            directory that goes as well, unless a result in it was not delivered.
        flags: Settings given on the command line.
        key: The enrolment key given there.
        idle_timeout: Seconds after which to give up where no job comes; None for never.

    Raises:
        AlreadyRunning: when a robot runs in this home.
        ConfigError: when the home is another robot's, or there is neither an address nor a key.
        Refusal: when the orchestrator does not take it.
    """
    home = given or Home(Path(tempfile.mkdtemp(prefix="bv-robot-")))
    ended = None
    try:
        ended = _run(home, flags, key, idle_timeout)
    finally:
        if given is None and ended != Ended.NOT_DELIVERED:
            shutil.rmtree(home.root, ignore_errors=True)
    log.info("%s%s", TOLD[ended], f"; it is kept in {home.root}" if ended == Ended.NOT_DELIVERED else "")
    return ended


def _run(home: Home, flags: Mapping[str, str], key: str | None, idle_timeout: float | None) -> Ended:
    home.make()
    lock = HomeLock(home.lock_file)
    lock.take()
    settings = config.load(home, os.environ, **flags)
    if several.names_of(settings):
        raise ConfigError("--once is for one robot: start it as often as robots are wanted")
    known_key = enrolling.key_from(home, settings, os.environ, flag=key)
    settings = _named(home, settings)
    identity = enrolling.identity_for(home, settings, known_key)
    if identity is None:
        return Ended.STOPPED
    former = {files.directory for files in Spool(home.spool).executions() if files.is_delivered()}
    listener = Listener(home, settings, identity, key=known_key, most_jobs=1, idle_timeout=idle_timeout)
    listener.run()
    listener.come_to_rest()
    mine = [files for files in Spool(home.spool).executions() if files.directory not in former]
    ended = _what_came_of(mine, is_stopped=listener.was_asked_to_end)
    if ended != Ended.NOT_DELIVERED:  # With its token it can still be delivered by the next start in this home.
        _leave(home, settings, listener.session)
    return ended


def _named(home: Home, settings: Config) -> Config:
    """The settings with the name of this run, or of the run before that was killed."""
    known, former = config.read_identity(home), spool.read_note(home.ephemeral_file).get("name")
    if known is not None and not former:
        raise ConfigError(f"{home.root} is the home of {known.name}: --once needs a home of its own, or none")
    name = former or settings.name or f"{platform.node() or 'robot'}-{secrets.token_hex(3)}"
    settings = dataclasses.replace(settings, name=str(name))
    spool.write_note(home.ephemeral_file, {"name": settings.name})
    return settings


def _what_came_of(executions: list[ExecutionFiles], *, is_stopped: bool) -> Ended:
    if any(files.has_result() and not files.is_delivered() for files in executions):
        return Ended.NOT_DELIVERED
    results = [result for files in executions if (result := files.result()) is not None]
    if not results:
        return Ended.STOPPED if is_stopped else Ended.NOTHING_CAME
    return _ending_of(max(results, key=lambda result: str(result.get("ended_at"))))


def _ending_of(result: Record) -> Ended:
    if result["outcome"] == "completed":
        return Ended.COMPLETED
    if result["outcome"] == "cancelled":
        return Ended.CANCELLED
    return Ended.STOPPED if (result.get("error") or {}).get("type") == "RobotStopped" else Ended.FAILED


def _leave(home: Home, settings: Config, session: str | None) -> None:
    """Have the orchestrator forget this robot. Whether or not that works, its identity is of no more use."""
    identity = config.read_identity(home)
    if identity is None:
        return
    http = Client(identity.url, token=identity.api_token, ca_file=settings.ca_file)
    backoff, deadline = Backoff(cap=5), platforms.steady() + LEAVE_WITHIN
    try:
        while (trouble := _refused(http, session)) is not None:
            is_final = isinstance(trouble, client.Refusal) and not isinstance(trouble, client.Conflict)
            if is_final or platforms.steady() >= deadline:
                log.warning("The orchestrator could not be told that %s leaves: %s", identity.name, trouble)
                return
            time.sleep(backoff.pause(trouble))
        log.info("%s has left the orchestrator", identity.name)
    finally:
        http.close()
        home.identity_file.unlink(missing_ok=True)
        home.ephemeral_file.unlink(missing_ok=True)


def _refused(http: Client, session: str | None) -> client.Trouble | None:
    """Try to leave once; what is worth another try is returned."""
    try:
        api.deregister(http, session)
    except client.NotSignedIn:  # It has left already, or was removed.
        return None
    except client.Trouble as trouble:
        return trouble
    return None
