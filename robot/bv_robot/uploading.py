"""The log loop of one execution: sends what is new, in order, from where the server is."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from bv_robot import api, client, platforms
from bv_robot.desk import Desk

log = logging.getLogger("bv_robot")

WATCHED_EVERY = 0.3
"""Seconds between two chunks of a log that somebody reads now."""
WATCHED_AFTER = 15.0
"""Seconds for which that goes on after nobody reads it any more."""
SMALLEST_CHUNK = 4096
"""Bytes below which a chunk is not halved for a server that finds it too large."""


class Uploading:
    """Brings one log to the server, now and then while it grows and in full at its end.

    It starts with the whole log: a server that already has some of it says so, and that is sent no second time.
    """

    def __init__(self, desk: Desk, lease_id: str, path: Path) -> None:
        self._desk, self._lease_id, self._path = desk, lease_id, path
        self._offset = 0
        self._most_bytes = desk.settings.log_chunk_bytes
        self._sending = threading.Lock()
        self._end = threading.Event()
        self._watched_until = self._sent_at = float("-inf")
        self.is_refused = False
        """The server wants no more of this log."""

    def start(self) -> None:
        """Send what is new until ``end`` is called."""
        threading.Thread(target=self._run, name=f"log of {self._lease_id}", daemon=True).start()

    def end(self) -> None:
        self._end.set()

    def _run(self) -> None:
        backoff = client.Backoff(cap=self._desk.settings.sync_max)
        pause = 0.0
        while not self._end.wait(pause or min(WATCHED_EVERY, self._desk.settings.log_every)):
            if not (pause or self._is_due()):
                continue
            try:
                self.send()
                backoff.reset()
                pause = 0.0
            except client.Trouble as trouble:
                pause = backoff.pause(trouble)

    def _is_due(self) -> bool:
        """Say whether to send now: each time where somebody reads it or much has come, else now and then."""
        now = platforms.steady()
        is_soon = now < self._watched_until or self.unsent() >= self._desk.settings.log_chunk_bytes
        if not (is_soon or now - self._sent_at >= self._desk.settings.log_every):
            return False
        self._sent_at = now
        return True

    def watched(self, *, is_watched: bool) -> None:
        """Somebody reads this log, or not any more; for a moment it goes on as if they did."""
        if is_watched:
            self._watched_until = float("inf")
        elif self._watched_until == float("inf"):
            self._watched_until = platforms.steady() + WATCHED_AFTER

    def continue_from(self, offset: int) -> None:
        """Believe the server about what it has."""
        self._offset = offset

    def unsent(self) -> int:
        """Bytes that the server is not known to have."""
        size = self._path.stat().st_size if self._path.exists() else 0
        return max(0, size - self._offset)

    def send(self) -> None:
        """Send every complete line there is.

        Raises:
            Trouble: when the connection fails; what was sent counts.
        """
        with self._sending:
            while not self.is_refused and (chunk := self._next_chunk()):
                self._send_chunk(chunk)

    def _next_chunk(self) -> bytes:
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            most = min(self._most_bytes, self._desk.settings.log_chunk_bytes)
            chunk = file.read(most)
        whole_lines = chunk.rfind(b"\n") + 1
        is_one_huge_line = not whole_lines and len(chunk) == most
        return chunk if is_one_huge_line else chunk[:whole_lines]

    def _send_chunk(self, chunk: bytes) -> None:
        try:
            answer = api.send_log(self._desk.http, self._lease_id, self._offset, chunk)
        except client.LogGap as gap:
            self.is_refused = gap.offset == self._offset  # It contradicts itself: do not ask for ever.
            self._offset = gap.offset
        except (client.NotSignedIn, client.Forbidden):
            raise
        except client.Refusal as refusal:
            self._after_refusal(refusal)
        else:
            self._offset = answer.offset
            self.is_refused = answer.truncated

    def _after_refusal(self, refusal: client.Refusal) -> None:
        if refusal.code == "bad_crc":
            raise client.Unreachable("the bytes of the log were changed on their way") from refusal
        if refusal.status == 413 and self._most_bytes > SMALLEST_CHUNK:
            self._most_bytes //= 2
            return
        log.warning("The log of %s is not wanted any more: %s", self._lease_id, refusal)
        self.is_refused = True
