"""Reading the log of an execution over the API."""

from __future__ import annotations

import zlib

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.jobs import services as jobs
from apps.jobs.models import Execution, LogChunk
from apps.jobs.rules import loglines
from tests import api, make

pytestmark = pytest.mark.django_db

MEBIBYTE = 1024 * 1024


@pytest.fixture
def execution():
    """An open execution."""
    return make.running_job()


def line(second: int, message: str, level: str = "INFO") -> bytes:
    return loglines.make_line(f"2026-01-31T10:{second // 60:02}:{second % 60:02}.000Z", level, message, "log")


def write(execution: Execution, data: bytes) -> Execution:
    """Let the robot send bytes."""
    return jobs.append_log(
        execution,
        actor=make.acting(execution.robot),
        offset=execution.log_length,
        data=data,
        crc32=zlib.crc32(data),
    )


def messages(page) -> list[str]:
    assert page.status_code == 200, page.content
    return [shown["message"] for shown in page.json()["lines"]]


def test_a_page_begins_at_the_start_and_says_where_to_go_on(execution):
    write(execution, b"".join(line(number, f"line {number}") for number in range(5)))
    root = api.root()

    first = root.get(f"executions/{execution.pk}/log", {"limit": 3})
    second = root.get(f"executions/{execution.pk}/log", {"after": first.json()["next"], "limit": 3})

    assert messages(first) == ["line 0", "line 1", "line 2"]
    assert messages(second) == ["line 3", "line 4"]
    assert (first.json()["has_next"], second.json()["has_next"]) == (True, False)
    assert (first.json()["previous"], first.json()["is_live"]) == (None, True)


def test_a_line_shows_its_time_its_level_and_its_fields(execution):
    write(execution, b'{"t": "2026-01-31T10:00:00Z", "l": "WARN", "m": "low", "s": "stderr", "f": {"disk": 3}}\n')

    (shown,) = api.root().get(f"executions/{execution.pk}/log").json()["lines"]

    assert shown == {
        "time": "2026-01-31T10:00:00Z", "level": "WARN", "message": "low", "source": "stderr", "fields": {"disk": 3},
    }  # fmt: skip


def test_a_reader_at_the_end_goes_back_and_follows(execution):
    execution = write(execution, b"".join(line(number, f"line {number}") for number in range(5)))
    root = api.root()

    end = root.get(f"executions/{execution.pk}/log", {"at": "end", "limit": 2})
    before = root.get(f"executions/{execution.pk}/log", {"before": end.json()["previous"], "limit": 2})
    write(execution, line(9, "later"))
    after = root.get(f"executions/{execution.pk}/log", {"after": end.json()["next"]})

    assert messages(end) == ["line 3", "line 4"]
    assert messages(before) == ["line 1", "line 2"]
    assert messages(after) == ["later"]


def test_a_reader_begins_at_the_first_error(execution):
    write(execution, line(1, "fine") + line(2, "broken", "ERROR") + line(3, "after"))

    page = api.root().get(f"executions/{execution.pk}/log", {"at": "error"})

    assert messages(page) == ["broken", "after"]
    assert page.json()["log"]["has_errors"] is True


def test_what_programs_appended_stands_among_the_robots_lines(execution):
    execution = write(execution, line(1, "one") + line(3, "three"))
    jobs.append_lines(execution, actor=make.acting(execution.robot), lines=[line(2, "two")])

    page = api.root().get(f"executions/{execution.pk}/log")

    assert messages(page) == ["one", "two", "three"]


def test_it_says_whether_everything_has_arrived(execution):
    data = line(1, "one")
    write(execution, data)
    Execution.objects.update(log_final_length=len(data) + 7, log_final_crc32=0)

    shown = api.root().get(f"executions/{execution.pk}/log").json()["log"]

    assert (shown["length"], shown["complete"], shown["missing_bytes"]) == (len(data), False, 7)


def test_a_whole_log_is_said_to_be(execution):
    data = line(1, "one")
    write(execution, data)
    Execution.objects.update(log_final_length=len(data), log_final_crc32=zlib.crc32(data))

    shown = api.root().get(f"executions/{execution.pk}").json()["log"]

    assert (shown["complete"], shown["missing_bytes"], shown["truncated"], shown["lines"]) == (True, 0, False, 1)


def test_a_log_that_was_cut_says_so(execution, settings):
    settings.LOG_LIMIT_BYTES = 100
    write(execution, b"x" * 150)

    assert api.root().get(f"executions/{execution.pk}/log").json()["log"]["truncated"] is True


def test_an_empty_log_has_no_lines(execution):
    page = api.root().get(f"executions/{execution.pk}/log", {"at": "end"})

    assert messages(page) == []
    assert page.json()["previous"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"at": "middle"}, "at"), ({"at": "end", "after": "0.0"}, "at"), ({"after": "x"}, "cursor"),
        ({"before": "-1.0"}, "cursor"), ({"limit": "0"}, "limit"), ({"limit": "1001"}, "limit"),
        ({"limit": "²"}, "limit"), ({"level": "ERROR"}, "level"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_by_name(execution, query, field):
    refused = api.root().get(f"executions/{execution.pk}/log", query)

    assert api.fields_refused(refused) == {field}


def test_a_cursor_behind_the_end_shows_nothing_and_breaks_nothing(execution):
    write(execution, line(1, "one"))

    page = api.root().get(f"executions/{execution.pk}/log", {"after": "999999999.0"})

    assert messages(page) == []


def test_the_log_is_downloaded_as_text(execution):
    write(execution, line(1, "Grüße") + line(2, "broken", "ERROR"))

    answer = api.root().get(f"executions/{execution.pk}/log/text")

    assert answer.whole.decode() == ("2026-01-31T10:00:01.000Z INFO  Grüße\n2026-01-31T10:00:02.000Z ERROR broken\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (f'attachment; filename="job-{execution.job_id}-try-1.log"')


class TestTwentyMegabytes:
    """Opening a long log touches no more of it than it shows."""

    @pytest.fixture
    def long_log(self, execution):
        """An execution that wrote 20 MB, with its first error two thirds in."""
        piece = b"".join(line(number % 3600, "a line of a log that is " + "long " * 20) for number in range(1500))
        error = line(1, "broken", "ERROR")
        for number in range(20 * MEBIBYTE // len(piece)):
            execution = write(execution, error + piece if number == 66 else piece)
        return execution

    @pytest.mark.parametrize("at", ["start", "end", "error"])
    def test_opens_by_reading_less_than_a_twentieth(self, long_log, at, monkeypatch):
        read = []
        real = LogChunk.read.__func__
        monkeypatch.setattr(
            LogChunk, "read", classmethod(lambda cls, *where: read.append(real(cls, *where)) or read[-1])
        )
        root = api.root()

        with CaptureQueriesContext(connection) as captured:
            page = root.get(f"executions/{long_log.pk}/log", {"at": at, "limit": 100})

        assert len(messages(page)) == 100
        assert sum(map(len, read)) < long_log.log_length / 15
        assert len(captured) < 15

    def test_begins_at_its_first_error(self, long_log):
        page = api.root().get(f"executions/{long_log.pk}/log", {"at": "error", "limit": 1})

        assert messages(page) == ["broken"]

    def test_is_downloaded_whole(self, long_log):
        answer = api.root().get(f"executions/{long_log.pk}/log/text")

        assert answer.whole.count(b"\n") == long_log.log_lines
