"""Log lines as they leave the process."""

import json
import logging
import subprocess
import sys

import pytest

from apps.core import logs, tokens

TOKEN = str(tokens.generate("u"))

PROGRAM = """
import logging, sys
import structlog
from apps.core import logs
logs.configure({level!r}, {format!r})
log = structlog.get_logger("apps.tests")
{body}
"""


def lines_of(body: str, *, level: str = "INFO", line_format: str = "json") -> list[str]:
    """Run a process that logs, and return what it wrote."""
    program = PROGRAM.format(level=level, format=line_format, body=body)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_a_line_is_one_json_object():
    [line] = lines_of('log.info("job_claimed", job_id=7, by={"a": 1})')

    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "job_claimed", "job_id": 7, "by": {"a": 1}, "level": "info", "logger": "apps.tests"}


def test_lines_of_libraries_look_the_same():
    [line] = lines_of('logging.getLogger("celery.worker").warning("took %s s", 3)')

    found = json.loads(line)
    assert (found["event"], found["level"], found["logger"]) == ("took 3 s", "warning", "celery.worker")


def test_what_is_bound_to_the_context_is_in_every_line():
    body = 'structlog.contextvars.bind_contextvars(request_id="r-1")\nlog.info("a")\nlogging.getLogger("b").error("b")'

    assert [json.loads(line)["request_id"] for line in lines_of(body)] == ["r-1", "r-1"]


@pytest.mark.parametrize("line_format", ["json", "console"])
@pytest.mark.parametrize(
    "body",
    [
        f'log.info("got {TOKEN}")',
        f'log.info("x", header="Bearer {TOKEN}")',
        f'log.info("x", deep={{"list": ["{TOKEN}"]}})',
        f'logging.getLogger("httpx").info("GET %s", "{TOKEN}")',
        f'try:\n    raise ValueError("{TOKEN}")\nexcept ValueError:\n    log.exception("x")',
    ],
    ids=["message", "field", "nested", "library", "traceback"],
)
def test_a_token_of_ours_never_reaches_the_log(body, line_format):
    text = "\n".join(lines_of(body, line_format=line_format))

    assert TOKEN not in text
    assert TOKEN[:4] + "****" in text


def test_a_traceback_stays_on_its_line():
    [line] = lines_of('try:\n    1/0\nexcept ZeroDivisionError:\n    log.exception("failed")')

    assert "ZeroDivisionError" in json.loads(line)["exception"]


@pytest.mark.parametrize("line_format", ["json", "console"])
def test_nobody_can_forge_a_line(line_format):
    body = 'log.info("x", name="a\\n2026 [error] forged\\x1b[31m")\nlogging.getLogger("b").info("c\\nforged")'

    found = lines_of(body, line_format=line_format)

    assert len(found) == 2
    assert "\x1b[31mforged" not in "".join(found)


def test_lines_below_the_level_are_left_out():
    body = 'log.info("a")\nlogging.getLogger("b").info("b")\nlog.warning("c")'

    assert [json.loads(line)["event"] for line in lines_of(body, level="WARNING")] == ["c"]


def test_a_warning_is_a_line_too():
    [line] = lines_of('import warnings\nwarnings.warn("old way", stacklevel=1)')

    assert "old way" in json.loads(line)["event"]


def test_djangos_own_request_lines_are_left_out_unless_they_have_a_traceback():
    body = (
        'request = logging.getLogger("django.request")\nrequest.warning("Not Found: /x")\n'
        'try:\n    1/0\nexcept ZeroDivisionError:\n    request.exception("Internal Server Error: /x")'
    )

    assert [json.loads(line)["event"] for line in lines_of(body)] == ["Internal Server Error: /x"]


def test_a_wrong_host_is_told_without_a_traceback():
    body = (
        'security = logging.getLogger("django.security.DisallowedHost")\n'
        'try:\n    1/0\nexcept ZeroDivisionError:\n    security.exception("Invalid HTTP_HOST header")'
    )

    [line] = lines_of(body)
    assert json.loads(line)["event"] == "Invalid HTTP_HOST header"
    assert "exception" not in json.loads(line)


@pytest.mark.parametrize(("level", "line_format"), [("LOUD", "json"), ("INFO", "xml"), ("", "json")])
def test_a_wrong_setting_is_refused_by_name(level, line_format):
    with pytest.raises(ValueError, match="LOG_"):
        logs.configure(level, line_format)


def test_only_tracebacks_pass_the_filter():
    plain = logging.makeLogRecord({"msg": "x"})

    assert not logs.WithTraceback().filter(plain)


@pytest.mark.parametrize("logger", ["celery.beat", "celery.worker.strategy", "celery.app.trace"])
def test_ticks_fill_no_log_unless_asked_for(logger):
    body = f'logging.getLogger("{logger}").info("tick")\nlogging.getLogger("{logger}").error("failed")'

    assert [json.loads(line)["event"] for line in lines_of(body)] == ["failed"]
    assert [json.loads(line)["event"] for line in lines_of(body, level="DEBUG")] == ["tick", "failed"]
