"""Taking a fresh token in good time, so that no operator has to enrol the robot again.

A new token is stored before the former one is let go of, and the former one stays beside it: whatever dies in between,
the next start finds a token that is good. The orchestrator honours the former one until the new one was used.
"""

from __future__ import annotations

import dataclasses
import logging

from bv_robot import api, config, platforms
from bv_robot.client import Trouble
from bv_robot.config import ConfigError, Home, Identity
from bv_robot.desk import Desk

log = logging.getLogger("bv_robot")

DAY = 24 * 3600.0
WEEK = 7 * DAY
TRY_AGAIN = 300.0
"""Seconds between two tries to rotate."""
A_LITTLE_MORE = 1.01
"""Times the known lifetime that is no other lifetime: the server rounds."""
CALL_SECONDS = 10.0
"""How long rotating may take: renewals wait for it."""


class Rotating:
    """Rotates the token of one robot. Called by the sync loop, between two syncs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._not_before = float("-inf")

    def consider(self, expires_in: float | None) -> None:
        """Rotate where the token ends soon: in a week, or in a quarter of its time where that is less.

        Args:
            expires_in: Seconds for which the server takes the token in use; None where that never ends.
        """
        if not self._desk.is_identity_stored:
            self._store(self._desk.identity)
        if expires_in is None:
            return
        lifetime = self._lifetime(float(expires_in))
        if expires_in < min(WEEK, lifetime / 4) and platforms.steady() >= self._not_before:
            self._not_before = platforms.steady() + TRY_AGAIN
            self._rotate()

    def _lifetime(self, expires_in: float) -> float:
        """The token's whole time, as far as it was ever known here; remembered beside the token."""
        known = self._desk.identity.token_lifetime or 0.0
        if expires_in <= known * A_LITTLE_MORE:
            return known
        self._store(dataclasses.replace(self._desk.identity, token_lifetime=expires_in))
        return expires_in

    def _rotate(self) -> None:
        # Where the disk takes nothing now, the new token would be known to nobody after a restart.
        if not self._store(self._desk.identity):
            return
        try:
            answer = api.rotate_token(self._desk.http_for_sync, CALL_SECONDS)
        except Trouble as trouble:
            log.warning("A fresh token could not be had, which is tried again in %.0f s: %s", TRY_AGAIN, trouble)
            return
        fresh = dataclasses.replace(
            self._desk.identity,
            api_token=answer["api_token"],
            former_token=self._desk.identity.api_token,
            token_lifetime=answer["expires_in"],
        )
        if self._store(fresh):  # Else the former one is used on, for the next start will know only that.
            self._desk.sign_in(fresh)
            log.info("The robot's token was replaced by a fresh one")

    def _store(self, identity: Identity) -> bool:
        desk, was_stored = self._desk, self._desk.is_identity_stored
        try:
            config.write_identity(desk.home, identity)
        except OSError as error:
            desk.is_identity_stored = False
            if was_stored:
                log.error("The identity cannot be stored, which is tried again with each sync: %s", error)
        else:
            desk.identity, desk.is_identity_stored = identity, True
        return desk.is_identity_stored


def another_identity(home: Home, refused: set[str]) -> Identity | None:
    """A token to try where these were refused: what is stored by now, or what was in use before it.

    Somebody may have enrolled the robot again by hand, or a server that lost its last commits may know only the token
    before the newest.
    """
    try:
        stored = config.read_identity(home)
    except ConfigError:
        return None
    if stored is None or stored.api_token not in refused:
        return stored
    if stored.former_token and stored.former_token not in refused:
        return dataclasses.replace(stored, api_token=stored.former_token, former_token="")
    return None
