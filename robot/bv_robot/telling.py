"""How the robot speaks to whoever started it: colours for a person at a terminal, JSON lines for a service."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

console = Console()
problems = Console(stderr=True)


class JsonLines(logging.Formatter):
    """One JSON object per record, for whatever collects a service's output."""

    def __init__(self, robot: str = "") -> None:
        super().__init__()
        self._robot = {"robot": robot} if robot else {}

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "t": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "thread": record.threadName,
        } | self._robot
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told)


def is_for_a_person() -> bool:
    return sys.stdout.isatty()


def set_up_logging(level: str, *, robot: str = "") -> None:
    """Have the robot's log go to standard output; each line names the robot where several write there."""
    handler: logging.Handler
    if is_for_a_person():
        handler = RichHandler(console=console, show_path=False, omit_repeated_times=False)
        handler.setFormatter(logging.Formatter(f"{robot}: %(message)s" if robot else "%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonLines(robot))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
    sys.excepthook = log_exception
    threading.excepthook = log_exception_of_thread
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)


def log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A fault of ours goes where everything else goes."""
    logging.getLogger("bv_robot").critical("The robot failed", exc_info=(kind, error, trace))


def log_exception_of_thread(hook: threading.ExceptHookArgs) -> None:
    error = hook.exc_value or hook.exc_type()
    logging.getLogger("bv_robot").critical("A loop failed", exc_info=(hook.exc_type, error, hook.exc_traceback))


def say(message: str, **facts: Any) -> None:
    """Tell a result: a sentence for a person, an object for a program."""
    if is_for_a_person():
        console.print(Text(message), soft_wrap=True)
    else:
        console.file.write(json.dumps({"message": message, **facts}, default=str) + "\n")


def complain(message: str) -> None:
    """Tell what went wrong, on standard error."""
    if sys.stderr.isatty():
        problems.print(Text(message, style="red"), soft_wrap=True)
    else:
        sys.stderr.write(json.dumps({"error": message}) + "\n")
