"""What the database's own refusals become, and the deadlock that nobody outside hears of."""

import threading

import pytest
from django.db import (
    IntegrityError,
    InternalError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from psycopg_pool import PoolTimeout

from apps.core.api.database import refusal_of, retry_once_on_deadlock, sqlstate_of
from tests.core.api import doors


def in_thread(work):
    def run():
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_two_writers_in_opposite_order_both_get_through():
    rows = [doors.make_record(name, principal="ann") for name in "ab"]
    meeting = threading.Barrier(2, timeout=20)
    done = []

    def write(first, second):
        calls = []

        def work():
            calls.append(first)
            with transaction.atomic():
                type(first).objects.filter(pk=first.pk).update(status_code=201)
                if len(calls) == 1:
                    meeting.wait()
                type(second).objects.filter(pk=second.pk).update(status_code=202)

        retry_once_on_deadlock(work)
        done.append(len(calls))

    threads = [in_thread(lambda: write(*rows)), in_thread(lambda: write(*reversed(rows)))]
    for thread in threads:
        thread.join(30)

    assert sorted(done) == [1, 2]


def deadlock():
    """The error the database gives to whom it breaks off."""
    error = OperationalError("deadlock detected")
    error.__cause__ = type("Cause", (Exception,), {"sqlstate": "40P01"})()
    return error


@pytest.mark.django_db(transaction=True)
def test_a_second_deadlock_in_a_row_is_passed_on():
    calls = []

    def work():
        calls.append(1)
        raise deadlock()

    with pytest.raises(OperationalError):
        retry_once_on_deadlock(work)

    assert len(calls) == 2


@pytest.mark.django_db(transaction=True)
def test_other_errors_are_not_repeated():
    calls = []

    def work():
        calls.append(1)
        raise OperationalError("the server went away")

    with pytest.raises(OperationalError):
        retry_once_on_deadlock(work)

    assert len(calls) == 1


@pytest.mark.django_db
def test_nothing_is_repeated_inside_a_larger_transaction():
    calls = []

    def work():
        calls.append(1)
        raise deadlock()

    with pytest.raises(OperationalError), transaction.atomic():
        retry_once_on_deadlock(work)

    assert len(calls) == 1


@transaction.atomic
def change_impatiently(row):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
    type(row).objects.filter(pk=row.pk).update(status_code=202)


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_held_too_long_is_a_busy_moment():
    row = doors.make_record("a", principal="ann")
    held, let_go = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            type(row).objects.filter(pk=row.pk).update(status_code=201)
            held.set()
            let_go.wait(20)

    thread = in_thread(hold)
    held.wait(20)
    with pytest.raises(OperationalError) as caught:
        change_impatiently(row)
    let_go.set()
    thread.join(20)

    assert sqlstate_of(caught.value) == "55P03"
    assert refusal_of(caught.value).code == "busy"
    assert refusal_of(caught.value).retry_after == 2


def test_a_pool_that_is_exhausted_is_unavailable():
    with pytest.raises(OperationalError) as caught, connection.wrap_database_errors:
        raise PoolTimeout("couldn't get a connection after 2.00 sec")

    assert refusal_of(caught.value).code == "database_unavailable"


def test_a_server_that_does_not_answer_is_unavailable():
    refusal = refusal_of(OperationalError("connection refused"))

    assert (refusal.code, refusal.retry_after) == ("database_unavailable", 5)


@pytest.mark.parametrize(
    ("sqlstate", "code"), [("23505", "already_exists"), ("23P01", "already_exists"), ("23503", "still_in_use")]
)
def test_a_race_for_the_same_thing_is_a_conflict(sqlstate, code):
    error = IntegrityError("x")
    error.__cause__ = type("Cause", (Exception,), {"sqlstate": sqlstate})()

    assert refusal_of(error).code == code


@pytest.mark.parametrize("error", [IntegrityError("check"), InternalError("aborted")])
def test_a_fault_of_our_own_is_not_made_out_to_be_the_callers(error):
    assert refusal_of(error) is None
