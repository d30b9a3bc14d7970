"""Log lines: structured, one per fact, with the request's id, and without any credential of ours in them."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Mapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from apps.core.masking import mask_tokens_in_text

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS: Final = ("json", "console")
#: These say several lines for each tick, all day; what goes wrong in a task is an error, and is shown.
_CHATTY: Final = ("celery.beat", "celery.worker.strategy", "celery.app.trace")


def configure(level: str, line_format: str) -> None:
    """Send every log line of this process, ours and the libraries', to standard error.

    ``line_format`` is ``json`` for machines or ``console`` for people. Raises ``ValueError`` for anything else.
    """
    level = level.upper()
    if level not in LEVELS:
        raise ValueError(f"LOG_LEVEL is {level!r}; it must be one of {', '.join(LEVELS)}.")
    if line_format not in FORMATS:
        raise ValueError(f"LOG_FORMAT is {line_format!r}; it must be json or console.")
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # So that a test can look at the lines.
    )
    logging.config.dictConfig(_standard_library(level, line_format))
    logging.captureWarnings(True)


def configure_from(wanted: Mapping[str, str]) -> None:
    """Do the same from the ``LOGGING`` of the settings; it is their ``LOGGING_CONFIG``."""
    configure(wanted["level"], wanted["format"])


def follow_level(level: str) -> None:
    """Log from another level on, in the running process; the libraries' loggers that say too much follow as well."""
    if logging.getLevelName(logging.getLogger().level) == level:
        return
    for name in ("", "django", "django.request"):
        logging.getLogger(name).setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel("DEBUG" if level == "DEBUG" else "WARNING")


class WithTraceback(logging.Filter):
    """Passes what carries a traceback: the rest of Django's request log says less than our own line."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info)


class WithoutTraceback(logging.Filter):
    """Passes everything, but only what happened: a wrong Host header is no fault of the code it went through."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True


def mask_line(_: WrappedLogger, __: str, line: str) -> str:
    """Mask our tokens in the finished line, wherever in it they got: message, field or traceback."""
    return mask_tokens_in_text(line)


def escape_control_characters(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Show control characters instead of obeying them, so that nobody can forge a line on a terminal."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable() and name not in ("exception", "stack"):
            event[name] = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return event


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def _rendering(line_format: str) -> list[Processor]:
    if line_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    return [
        structlog.processors.format_exc_info,
        escape_control_characters,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]


def _standard_library(level: str, line_format: str) -> dict[str, Any]:
    finishing = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(line_format), mask_line]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "with_traceback": {"()": WithTraceback},
            "without_traceback": {"()": WithoutTraceback},
        },
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": finishing,
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
            "tracebacks": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["with_traceback"]},
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            "django": {"level": level, "handlers": [], "propagate": True},
            "django.request": {"level": level, "handlers": ["tracebacks"], "propagate": False},
            "django.security.DisallowedHost": {"filters": ["without_traceback"]},
            "django.db.backends": {"level": "INFO"},
            **{name: {"level": "DEBUG" if level == "DEBUG" else "WARNING"} for name in _CHATTY},
        },
    }
