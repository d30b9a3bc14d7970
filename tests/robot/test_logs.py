"""What a job prints and logs, and how it reaches the server whole."""

import os

from bv_robot import logs

from tests.robot.packages import package


def test_prints_and_log_records_keep_their_order_and_get_their_levels(done):
    source = """
        import logging
        def main():
            log = logging.getLogger("flow")
            print("one")
            log.warning("two", extra={"invoice": 7})
            print("three", end="")
            log.error("four")
            log.debug("too quiet")
    """

    job = done(source)

    told = [(line["l"], line["s"], line["m"]) for line in job.last.lines()]
    assert told == [
        ("INFO", "stdout", "one"),
        ("WARN", "log", "two"),
        ("INFO", "stdout", "three"),
        ("ERROR", "log", "four"),
    ]
    assert job.last.lines()[1]["f"] == {"invoice": 7, "logger": "flow"}


def test_standard_error_is_a_warning(done):
    job = done("import sys\ndef main():\n    print('careful', file=sys.stderr)")

    assert [(line["l"], line["s"], line["m"]) for line in job.last.lines()] == [("WARN", "stderr", "careful")]


def test_programs_that_the_job_starts_are_heard_too(done):
    job = done("import subprocess\ndef main():\n    subprocess.run(['echo', 'from a program'], check=True)")

    assert job.last.messages("stdout") == ["from a program"]


def test_records_still_arrive_when_the_job_redirects_its_output(done):
    source = """
        import contextlib, io, logging, os
        def main():
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with contextlib.redirect_stdout(io.StringIO()):
                logging.info("heard")
    """

    assert done(source).last.messages("log") == ["heard"]


def test_the_level_an_author_asks_for_counts(done):
    job = done("import logging\ndef main():\n    logging.basicConfig(level='DEBUG')\n    logging.debug('quiet')")

    assert [(line["l"], line["m"]) for line in job.last.lines()] == [("DEBUG", "quiet")]


def test_a_handler_an_author_adds_works_beside_the_robots(done):
    source = """
        import logging, pathlib
        def main():
            logging.basicConfig(filename="own.txt", level="INFO", force=True)
            logging.info("both")
            return pathlib.Path("own.txt").read_text()
    """

    job = done(source)

    assert "both" in job.report["result"]
    assert job.last.messages("log") == ["both"]


def test_an_exception_in_a_thread_and_a_warning_are_log_records(done):
    source = """
        import threading, warnings
        def main():
            warnings.warn("old way")
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
    """

    told = [(line["l"], line["m"]) for line in done(source).last.lines()]

    assert ("ERROR", "ZeroDivisionError: division by zero") in told
    assert any(level == "WARN" and "old way" in message for level, message in told)


def test_output_without_a_newline_is_kept_also_when_the_job_is_killed(done):
    job = done("import os\ndef main():\n    os.write(1, b'half a line')\n    os.kill(os.getpid(), 9)")

    assert job.last.messages("stdout") == ["half a line"]


def test_bytes_that_are_no_text_and_nul_are_shown_as_escapes(done):
    job = done(r"import os" "\n" r"def main():" "\n" r"    os.write(1, b'caf\xe9 \xc3\xa9 \x00\n')")

    assert job.last.messages("stdout") == ["caf\\xe9 é \\x00"]


def test_a_progress_bar_shows_its_last_state(done):
    job = done(r"import os" "\n" r"def main():" "\n" r"    os.write(1, b'10%\r50%\r100%\nnext\r\n')")

    assert job.last.messages("stdout") == ["100%", "next"]


def test_a_line_too_long_for_one_continues_on_the_next(done):
    job = done("def main():\n    print('x' * 150_000)")

    assert [len(message) for message in job.last.messages("stdout")] == [65_536, 65_536, 18_928]


def test_a_big_log_arrives_whole(done):
    job = done("def main():\n    for n in range(60_000):\n        print(n, 'x' * 60)")

    messages = job.last.messages("stdout")
    assert len(messages) == 60_000
    assert messages[-1].startswith("59999 ")


def test_lines_are_there_while_the_job_still_runs(give, shared_robot):
    server, _ = shared_robot

    job = give("import time\ndef main():\n    print('early')\n    time.sleep(60)")

    server.wait_until(lambda: job.executions and b"early" in job.last.log)
    server.ask(job, "kill")
    server.wait_for_end(job)


# When it does not go well


def test_bytes_the_server_lost_are_sent_again(server, start_robot):
    content = package("import time\ndef main():\n    print('one')\n    time.sleep(1)\n    print('two')")
    job = server.add_job(server.add_package(content))
    start_robot()
    server.wait_until(lambda: job.executions and b"one" in job.last.log)

    with server.changed:
        del job.last.log[10:]

    server.wait_for_end(job)
    assert job.last.messages("stdout") == ["one", "two"]


def test_a_chunk_whose_answer_was_lost_changes_nothing(server, start_robot):
    server.faults.drop_reply("log")
    job = server.add_job(server.add_package(package("def main():\n    print('once')")))

    start_robot()

    server.wait_for_end(job)
    assert job.last.messages("stdout") == ["once"]


def test_a_chunk_that_is_too_large_for_the_server_is_made_smaller(server, start_robot):
    server.faults.answer("log", 413, "too_large", times=2)
    job = server.add_job(server.add_package(package("def main():\n    print('x' * 9000)")))

    start_robot()

    server.wait_for_end(job)
    assert job.last.messages("stdout") == ["x" * 9000]


def test_a_log_the_server_does_not_want_does_not_hold_the_result_up(server, start_robot):
    server.faults.answer("log", 409, "log_differs", times=100)
    job = server.add_job(server.add_package(package("def main():\n    print('x')\n    return 1")))

    robot = start_robot()

    server.wait_until(lambda: job.status == "completed")
    robot.wait_until(lambda: "accepted_without_log" in robot.messages())


def test_the_result_goes_first_when_much_of_the_log_is_owed(server, start_robot):
    server.faults.answer("log", 500, times=1000)
    job = server.add_job(server.add_package(package("def main():\n    for n in range(30_000): print('x' * 60)")))

    start_robot()

    server.wait_until(lambda: job.status == "completed", 40)
    server.faults.clear()
    server.wait_for_end(job, 40)
    assert len(job.last.messages("stdout")) == 30_000
    assert len(server.calls("finish")) >= 2


def test_a_log_beyond_the_limit_ends_with_a_word_about_it(server, start_robot):
    server.settings["log_limit_bytes"] = 20_000
    job = server.add_job(server.add_package(package("def main():\n    for n in range(1000): print('x' * 60)")))

    start_robot()

    server.wait_for_end(job)
    assert len(job.last.log) < 20_000
    assert "more lines were left out" in job.last.messages("robot")[-1]


def test_a_full_disk_keeps_lines_in_memory_until_there_is_room(tmp_path, monkeypatch):
    log = logs.LogFile(tmp_path / "log", 1_000_000)
    log.write(logs.line("one", "INFO", "stdout", at=0))
    monkeypatch.setattr(logs, "_write_all", half_written)
    log.write(logs.line("two", "INFO", "stdout", at=0))
    monkeypatch.undo()

    log.write(logs.line("three", "INFO", "stdout", at=0))

    extent = log.close()
    assert [line.split(b'"m":')[1] for line in (tmp_path / "log").read_bytes().splitlines()] == [
        b'"one"}', b'"two"}', b'"three"}',
    ]  # fmt: skip
    assert extent == logs.extent_of(tmp_path / "log")


def half_written(descriptor, data):
    os.write(descriptor, data[:5])
    raise OSError(28, "No space left on device")


def test_a_last_line_torn_by_a_crash_is_taken_back(tmp_path):
    (tmp_path / "log").write_bytes(b'{"m":"one"}\n{"m":"tw')

    log = logs.LogFile(tmp_path / "log", 1_000_000)

    assert log.close() == logs.extent_of(tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == b'{"m":"one"}\n'


def test_a_field_that_is_no_json_does_not_spoil_the_line():
    line = logs.line("m", "INFO", "log", at=0, fields={"n": float("nan")})

    assert line == b'{"t":"1970-01-01T00:00:00.000Z","l":"INFO","s":"log","m":"m","f":{"text":"{\'n\': nan}"}}\n'
