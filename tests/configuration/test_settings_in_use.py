"""Settings hold where they are meant to, without a restart."""

import logging
import time
import zlib

import pytest
from django.test import Client

from apps.accounts import services as accounts
from apps.configuration import services
from apps.core import logs
from apps.core.masking import mask_patterns
from apps.jobs import services as jobs
from apps.jobs.models import LogChunk, LogStream
from apps.jobs.rules import loglines
from apps.processes import services as processes
from orchestrator.levels import LevelFollower
from tests import make
from tests.admin.visitors import text_of

pytestmark = pytest.mark.django_db


def change(group, **values):
    services.change_settings(group, actor=make.SYSTEM, values=values)


def test_a_new_job_takes_from_the_settings_what_nobody_else_says(settings):
    settings.KILL_GRACE = 17
    process = make.process()
    plain = make.job(process)
    assert (plain.timeout, plain.start_deadline, plain.lease_ttl, plain.kill_grace) == (None, None, 90, 17)

    change("jobs", timeout=60, start_by=600, lease_seconds=120, grace_seconds=3, max_attempts=4)
    job = make.job(process)
    again = jobs.retry_job(jobs.cancel_job(plain, actor=make.SYSTEM), actor=make.SYSTEM)
    folder = make.folder()
    services.change_settings("jobs", actor=make.SYSTEM, values={"max_attempts": 7}, tenant=folder.tenant)

    assert (job.timeout, job.lease_ttl, job.kill_grace) == (60, 120, 3)
    assert job.start_deadline is not None
    assert (again.timeout, again.lease_ttl) == (60, 120)
    made = processes.create_process(folder, actor=make.SYSTEM, name="a", script_path="a.py")
    told = processes.create_process(folder, actor=make.SYSTEM, name="b", script_path="a.py", max_attempts=2)
    assert (made.max_attempts, told.max_attempts) == (7, 2)


def send(execution, data):
    execution.refresh_from_db()
    offset = execution.log_length
    jobs.append_log(execution, actor=make.SYSTEM, offset=offset, data=data, crc32=zlib.crc32(data))


def stored(execution):
    return LogChunk.read(execution.pk, LogStream.ROBOT, 0, 10_000_000)


def test_what_is_to_be_hidden_is_stored_as_asterisks_wherever_a_log_is_cut():
    change("logging", mask_patterns=["sk-live-*", "hunter2"])
    execution = make.running_job()
    whole = b'{"l":"INFO","m":"key sk-live-abcdef, pass hunter2"}\n'

    for piece in (whole, whole[:25], whole[25:30], whole[30:43], whole[43:]):
        send(execution, piece)

    hidden = b'{"l":"INFO","m":"key *************** pass *******"}\n'
    assert stored(execution) == hidden * 2
    change("logging", mask_patterns=None)
    send(execution, whole)
    assert stored(execution).endswith(whole)


def test_a_line_that_is_too_long_keeps_its_length_and_can_be_read():
    change("logging", line_limit=1024, job_log_limit=64 * 1024)
    execution = make.running_job()
    line = loglines.make_line("t", "ERROR", "é" * 3000, "s")
    send(execution, line.replace(b', "s": "s"', b""))
    jobs.append_lines(execution, actor=make.SYSTEM, lines=[line])

    read = loglines.parse_line(stored(execution))
    api = LogChunk.read(execution.pk, LogStream.API, 0, 100_000)
    assert (read.level, read.message.rstrip(" ")) == ("ERROR", "é" * len(read.message.rstrip(" ")))
    assert 100 < len(read.message.rstrip(" ")) < 1024
    assert loglines.parse_line(api).level == "ERROR"
    assert len(api) <= 1024
    send(execution, b"x" * 70_000)
    execution.refresh_from_db()
    assert (execution.log_truncated, execution.log_length) == (True, 64 * 1024)


def test_hiding_takes_time_that_grows_with_the_text_alone():
    text, patterns = b"sk-live-" * 32_768, [f"sk-live-*{n}zz" for n in range(20)]
    began = time.process_time()
    mask_patterns(text, patterns)

    assert time.process_time() - began < 2.0


def test_the_level_of_log_lines_is_followed():
    before = logging.getLevelName(logging.getLogger().level)
    try:
        change("logging", level="ERROR")
        LevelFollower().look()
        assert logging.getLogger("apps.jobs").getEffectiveLevel() == logging.ERROR
    finally:
        logs.follow_level(before)
    assert logging.getLevelName(logging.getLogger().level) == before


def test_the_name_and_the_zone_are_those_of_the_settings():
    change("general", instance_name="Robots & Sons", timezone="Asia/Tokyo")

    page = text_of(Client().get("/admin/login/"))

    assert "Robots &amp; Sons" in page
    assert "BV Orchestrator" not in page
    assert accounts.create_user("ann", actor=make.SYSTEM, password=make.PASSWORD).time_zone == "Asia/Tokyo"


def test_nothing_is_asked_for_twice_within_seconds(django_assert_num_queries):
    execution = make.running_job()
    send(execution, b"one\n")

    with django_assert_num_queries(0):
        jobs.logs._masked(b"two\n")
