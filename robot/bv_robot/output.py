"""What a job's process says, line by line, on its way into the log."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import IO

from bv_robot import logs
from bv_robot.logs import LineCutter, LogFile

BLOCK = 64 * 1024


class Output:
    """Listens to a job's process and all that inherit its output.

    Args:
        log: Where the lines go.
        marker: What a record of the log begins with where the child sends one in place of a printed line.
    """

    def __init__(self, log: LogFile, marker: str) -> None:
        self._log, self._marker = log, marker

    def listen(self, child: subprocess.Popen[bytes]) -> list[threading.Thread]:
        """Begin to listen. The threads end once nobody can say anything any more."""
        streams = (("stdout", "INFO", child.stdout), ("stderr", "WARN", child.stderr))
        readers = [threading.Thread(target=self._follow, args=stream, daemon=True) for stream in streams]
        for reader in readers:
            reader.start()
        return readers

    def _follow(self, name: str, level: str, pipe: IO[bytes]) -> None:
        cutter = LineCutter()
        while data := pipe.read(BLOCK):
            self._log.write(*(entry for text in cutter.feed(data) for entry in self._entries(text, name, level)))
        self._log.write(*(entry for text in cutter.end() for entry in self._entries(text, name, level)))

    def _entries(self, text: str, name: str, level: str) -> list[bytes]:
        """The log lines of a line of output: itself, or the record that the child sent in its place."""
        printed, marker, record = text.partition(self._marker)
        if not marker:
            return [logs.line(text, level, name)]
        entries = [logs.line(printed, level, name)] if printed else []
        try:
            told = json.loads(record)
            entries.append(logs.line(told["m"], told["l"], "log", at=told["t"], fields=told["f"]))
        except (ValueError, TypeError, KeyError):  # Cut short by a crash: show what came.
            entries.append(logs.line(record, level, name))
        return entries
