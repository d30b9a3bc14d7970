"""Log files of the children stay small and lose nothing on the way."""

import os

from orchestrator.supervisor import logs
from orchestrator.supervisor.logs import RotatingFile


def test_a_full_log_is_set_aside_at_the_end_of_a_line(tmp_path):
    log = RotatingFile(tmp_path / "web.log", max_bytes=20, keep=2)

    log.write(b"first line\nsecond line\n")
    log.close()

    assert (tmp_path / "web.log.1").read_bytes() == b"first line\n"
    assert (tmp_path / "web.log").read_bytes() == b"second line\n"


def test_the_oldest_log_falls_off(tmp_path):
    log = RotatingFile(tmp_path / "web.log", max_bytes=10, keep=2)

    log.write(b"".join(b"line %03d\n" % number for number in range(5)))
    log.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.log", "web.log.1", "web.log.2"]
    assert (tmp_path / "web.log").read_bytes() == b"line 004\n"
    assert (tmp_path / "web.log.2").read_bytes() == b"line 002\n"


def test_a_line_longer_than_the_file_is_kept_whole(tmp_path):
    log = RotatingFile(tmp_path / "web.log", max_bytes=10, keep=3)

    log.write(b"a line that is much too long\nshort\n")
    log.close()

    assert (tmp_path / "web.log.1").read_bytes() == b"a line that is much too long\n"
    assert (tmp_path / "web.log").read_bytes() == b"short\n"


def test_a_log_goes_on_where_it_ended(tmp_path):
    (tmp_path / "web.log").write_bytes(b"yesterday\n")

    log = RotatingFile(tmp_path / "web.log", max_bytes=15, keep=1)
    log.write(b"today\ntomorrow\n")
    log.close()

    assert (tmp_path / "web.log.1").read_bytes() == b"yesterday\n"
    assert (tmp_path / "web.log").read_bytes() == b"today\ntomorrow\n"


def test_the_tail_is_the_last_lines(tmp_path):
    log = RotatingFile(tmp_path / "web.log", max_bytes=1_000_000, keep=1)
    log.write(b"".join(b"line %d\n" % number for number in range(20_000)))

    tail = log.tail(2)
    log.close()

    assert tail == "line 19998\nline 19999"


def test_a_pipe_is_copied_until_its_last_writer_goes(tmp_path):
    source, sink = os.pipe()
    log = RotatingFile(tmp_path / "web.log", max_bytes=1000, keep=1)

    copying = logs.pump(source, log, "web")
    os.write(sink, b"said\n")
    os.close(sink)
    copying.join()

    assert (tmp_path / "web.log").read_bytes() == b"said\n"
    log.close()


def test_what_comes_after_the_end_is_dropped(tmp_path):
    log = RotatingFile(tmp_path / "web.log", max_bytes=1000, keep=1)
    log.close()

    log.write(b"too late\n")

    assert (tmp_path / "web.log").read_bytes() == b""


def test_only_the_owner_may_read_a_log(tmp_path):
    log = RotatingFile(tmp_path / "web.log", max_bytes=1000, keep=1)
    log.close()

    assert (tmp_path / "web.log").stat().st_mode & 0o777 == 0o600
