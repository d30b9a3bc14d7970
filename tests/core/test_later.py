"""Waking a worker after a commit: it may fail, and it never holds up whoever asked."""

from __future__ import annotations

import time

import pytest
from celery import current_app
from django.db import transaction
from kombu import pools
from structlog.testing import capture_logs

from apps.core import later
from apps.core.later import PAUSE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)
TASK = "jobs.work_off_bulk_changes"


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    """A broker inside this process; call it with an address to use another."""

    def use(address):
        current_app.conf.broker_write_url = current_app.conf.broker_url = address
        pools.reset()  # They keep connections to where the broker was.
        current_app.amqp._producer_pool = current_app._pool = None

    before = current_app.conf.broker_url
    monkeypatch.setattr(later._Broker, "is_away_until", 0.0)
    use("memory://")
    yield use
    use(before)


def wake():
    """Ask for a worker in a transaction, and return what was logged when that was committed."""
    with capture_logs() as lines, transaction.atomic():
        later.later(TASK)
        assert lines == []
    return lines


def wake_and_fail():
    with transaction.atomic():
        later.later(TASK)
        raise ZeroDivisionError


def test_a_wake_up_goes_to_the_queue_of_its_task():
    with current_app.connection_for_write() as connection:
        connection.default_channel.queue_purge("default")

        wake()

        message = connection.SimpleQueue("default").get_nowait()
        assert message.headers["task"] == TASK
        assert message.headers["expires"] is not None


def test_a_transaction_that_is_undone_wakes_nobody(broker, tmp_path):
    broker(f"redis+socket://{tmp_path}/nobody.sock")

    with capture_logs() as lines, pytest.raises(ZeroDivisionError):
        wake_and_fail()

    assert lines == []


def test_a_broker_that_is_away_is_logged_and_left_alone_for_a_while(broker, tmp_path):
    broker(f"redis+socket://{tmp_path}/nobody.sock")

    [first], [second] = wake(), wake()

    assert (first["event"], first["log_level"], first["task"]) == ("wake_up_not_sent", "warning", TASK)
    assert (second["event"], second["log_level"], second["task"]) == ("wake_up_not_sent", "info", TASK)
    assert "a moment ago" in second["error"]


def test_after_the_pause_the_broker_is_asked_again(broker, tmp_path, monkeypatch):
    broker(f"redis+socket://{tmp_path}/nobody.sock")
    wake()

    monkeypatch.setattr(later._Broker, "is_away_until", later._Broker.is_away_until - PAUSE_SECONDS)
    broker("memory://")

    assert later._Broker.is_away_until <= time.monotonic()
    assert wake() == []
