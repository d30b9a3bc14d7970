"""Reading a log: pages from its start, its end, its first error; two streams in one order."""

from __future__ import annotations

import zlib

import pytest

from apps.core.errors import Invalid
from apps.jobs import services
from apps.jobs.models import logreading
from apps.jobs.models.logreading import Place
from apps.jobs.rules import loglines
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    """An open execution."""
    return make.running_job()


def line(second: int, message: str, level: str = "INFO") -> bytes:
    return loglines.make_line(f"2026-01-31T10:{second // 60:02}:{second % 60:02}.000Z", level, message, "log")


def write(execution, *pieces: bytes):
    """Let the robot send pieces, one after the other."""
    actor = make.acting(execution.robot)
    for piece in pieces:
        execution = services.append_log(
            execution, actor=actor, offset=execution.log_length, data=piece, crc32=zlib.crc32(piece)
        )
    return execution


def messages(page) -> list[str]:
    return [shown.message for shown in page.lines]


def test_lines_broken_across_pieces_are_whole_again(execution):
    data = line(1, "one") + line(2, "two")
    execution = write(execution, data[:10], data[10:30], data[30:])

    page = logreading.page_after(execution, Place())

    assert messages(page) == ["one", "two"]
    assert (page.next.robot, page.has_next) == (len(data), False)


def test_an_unfinished_line_waits_for_its_end(execution):
    execution = write(execution, line(1, "one") + line(2, "two")[:-5])

    page = logreading.page_after(execution, Place())

    assert messages(page) == ["one"]
    assert page.next.robot == len(line(1, "one"))


def test_pages_follow_each_other_without_gap_or_repeat(execution):
    execution = write(execution, *(line(n, f"line {n}") for n in range(10)))

    first = logreading.page_after(execution, Place(), limit=4)
    second = logreading.page_after(execution, first.next, limit=4)
    third = logreading.page_after(execution, second.next, limit=4)

    assert messages(first) + messages(second) + messages(third) == [f"line {n}" for n in range(10)]
    assert (first.has_next, third.has_next) == (True, False)


def test_going_back_from_the_end_gives_the_lines_before(execution):
    execution = write(execution, *(line(n, f"line {n}") for n in range(10)))
    last = logreading.last_page(execution, limit=3)

    before = logreading.page_before(execution, last.previous, limit=3)

    assert messages(last) == ["line 7", "line 8", "line 9"]
    assert messages(before) == ["line 4", "line 5", "line 6"]


def test_following_from_the_end_gives_only_what_is_new(execution):
    execution = write(execution, line(1, "old"))
    last = logreading.last_page(execution)
    execution = write(execution, line(2, "new"))

    page = logreading.page_after(execution, last.next)

    assert messages(page) == ["new"]


def test_the_first_error_is_found_without_reading_what_is_before(execution):
    execution = write(execution, *(line(n, f"line {n}") for n in range(5)), line(5, "boom", "ERROR"), line(6, "after"))

    page = logreading.first_error_page(execution)

    assert messages(page) == ["boom", "after"]
    assert page.has_previous


def test_two_streams_are_merged_by_time(execution):
    execution = write(execution, line(1, "robot 1"), line(3, "robot 3"))
    actor = make.acting(execution.robot)
    execution = services.append_lines(execution, actor=actor, lines=[line(2, "api 2"), line(4, "api 4")])

    page = logreading.page_after(execution, Place())

    assert messages(page) == ["robot 1", "api 2", "robot 3", "api 4"]


def test_the_first_error_leaves_out_what_programs_wrote_before_it(execution):
    actor = make.acting(execution.robot)
    execution = services.append_lines(execution, actor=actor, lines=[line(0, "early"), line(9, "late")])
    execution = write(execution, line(1, "robot"), line(5, "boom", "ERROR"))

    page = logreading.first_error_page(execution)

    assert messages(page) == ["boom", "late"]


def test_an_error_that_a_program_told_is_found_as_well(execution):
    actor = make.acting(execution.robot)
    execution = write(execution, line(1, "robot early"), line(5, "robot late"))
    told = [line(2, "early"), line(3, "boom", "ERROR"), line(4, "after")]
    execution = services.append_lines(execution, actor=actor, lines=told)

    page = logreading.first_error_page(execution)

    assert execution.has_errors
    assert messages(page) == ["boom", "after", "robot late"]


def test_of_two_first_errors_the_earlier_is_shown(execution):
    actor = make.acting(execution.robot)
    execution = write(execution, line(1, "robot"), line(9, "robot boom", "ERROR"))
    execution = services.append_lines(execution, actor=actor, lines=[line(2, "boom", "ERROR")])
    execution = services.append_lines(execution, actor=actor, lines=[line(3, "boom again", "ERROR")])

    page = logreading.first_error_page(execution)

    assert messages(page) == ["boom", "boom again", "robot boom"]


def test_a_programs_error_is_found_beside_a_long_log_by_reading_little(execution, monkeypatch):
    piece = [b"".join(line(n, f"line {n} " + "x" * 2000) for n in range(m, m + 100)) for m in range(0, 3000, 100)]
    execution = write(execution, *piece)
    actor = make.acting(execution.robot)
    execution = services.append_lines(execution, actor=actor, lines=[line(2000, "boom", "ERROR")])
    read = []
    original = logreading.LogChunk.read
    monkeypatch.setattr(logreading.LogChunk, "read", lambda *a: read.append(data := original(*a)) or data)

    page = logreading.first_error_page(execution, limit=3)

    assert [message.split(" x")[0] for message in messages(page)] == ["line 2000", "boom", "line 2001"]
    assert sum(map(len, read)) < execution.log_length


def test_a_line_longer_than_the_window_comes_in_pieces(execution):
    execution = write(execution, *[b"x" * 100_000] * 6, b"\n", line(1, "after"))

    first = logreading.page_after(execution, Place())
    second = logreading.page_after(execution, first.next)

    assert first.next.robot == logreading.WINDOW
    assert messages(second)[-1] == "after"


def test_a_big_log_opens_at_its_end_by_reading_little(execution, django_assert_max_num_queries, monkeypatch):
    piece = b"".join(line(n % 3600, f"line {n} " + "x" * 200) for n in range(900))
    execution = write(execution, *[piece] * 60)
    read = []
    original = logreading.LogChunk.read
    monkeypatch.setattr(logreading.LogChunk, "read", lambda *a: read.append(data := original(*a)) or data)

    with django_assert_max_num_queries(8):
        page = logreading.last_page(execution, limit=200)

    assert len(page.lines) == 200
    assert sum(map(len, read)) < 4 * logreading.WINDOW < execution.log_length / 3


def test_the_text_has_every_line(execution):
    execution = write(execution, b"".join(line(n, f"line {n}") for n in range(2500)))

    text = "".join(logreading.as_text(execution))

    assert text.count("\n") == 2500
    assert text.splitlines()[-1].endswith("INFO  line 2499")


def test_what_is_missing_at_the_end_is_counted(execution):
    execution = write(execution, line(1, "one"))
    execution.log_final_length, execution.log_final_crc32 = execution.log_length + 7, execution.log_crc32

    assert logreading.missing_bytes(execution) == 7
    assert logreading.is_intact(execution) is False


def test_a_cursor_that_is_none_is_refused():
    with pytest.raises(Invalid, match="cursor"):
        Place.parse("12; drop table")


def test_what_is_not_of_the_format_is_shown_as_it_stands():
    shown = loglines.parse_line(b"plain text \xff")

    assert (shown.level, shown.message) == ("INFO", "plain text \ufffd")
