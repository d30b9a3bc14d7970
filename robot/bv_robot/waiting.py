"""The waiting loop: holds the long GET that wakes the sync loop early. Only ever a hint."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import httpx

from bv_robot import client
from bv_robot.desk import Desk

log = logging.getLogger("bv_robot")

SLACK = 10.0
"""Seconds beyond the longest wait after which a silent connection is given up."""


class Waiting:
    """Holds one wait at a time: each ticket of a sync takes the place of the one before."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.new_event_loop()
        self._held: asyncio.Task[None] | None = None
        self._http = httpx.AsyncClient(
            headers={"User-Agent": client.AGENT}, verify=client.trust(desk.config.ca_file), follow_redirects=False
        )

    def start(self) -> None:
        threading.Thread(target=self._loop.run_forever, name="waiting", daemon=True).start()

    def offer(self, wait: dict[str, Any] | None) -> None:
        """Wait with this ticket from now on, or with none. Called by the sync loop."""
        if wait:
            self._desk.wait_url = str(wait["url"])
        self._loop.call_soon_threadsafe(self._replace, wait)

    def _replace(self, wait: dict[str, Any] | None) -> None:
        if self._held:
            self._held.cancel()
        self._held = self._loop.create_task(self._hold(wait["url"], wait["ticket"])) if wait else None

    async def _hold(self, url: str, ticket: str) -> None:
        longest = httpx.Timeout(self._desk.settings.wait_max + SLACK, connect=client.CONNECT_SECONDS)
        try:
            answer = await self._http.get(url, headers={"X-Wait-Ticket": ticket}, timeout=longest)
            if client.body_of(client.good(answer)).get("wake") is True:
                self._desk.wake.set()
        except (httpx.HTTPError, client.Trouble) as trouble:
            log.debug("The wait ended early: %s", trouble)
