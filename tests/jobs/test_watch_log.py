"""Somebody reads the log of an execution as it comes: its robot is told, and sends it faster."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core.errors import NotAllowed
from apps.jobs import services as jobs
from apps.jobs.models import WATCHED_FOR, Execution
from tests import api, make
from tests.admin.visitors import page_of, superuser, with_permissions

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    """An open execution."""
    return make.running_job()


def is_watched(execution: Execution) -> bool:
    execution.refresh_from_db()
    return execution.watched_until is not None and execution.watched_until > timezone.now()


def test_a_look_counts_for_a_while(execution, system):
    jobs.watch_log(execution, actor=system)

    execution.refresh_from_db()
    left = execution.watched_until - timezone.now()
    assert WATCHED_FOR - timedelta(seconds=15) < left <= WATCHED_FOR


def test_the_next_look_is_due_only_a_while_later(execution, system):
    before = execution.is_watch_due
    jobs.watch_log(execution, actor=system)
    execution.refresh_from_db()
    at_once = execution.is_watch_due
    execution.watched_until = timezone.now() + timedelta(seconds=10)

    assert (before, at_once, execution.is_watch_due) == (True, False, True)


def test_nobody_watches_what_has_ended(execution, system):
    jobs.kill_job(execution.job, actor=system)

    jobs.watch_log(execution, actor=system)

    assert not is_watched(execution)
    assert not execution.is_watch_due


def test_who_may_not_read_it_does_not_watch_it(execution):
    stranger = with_permissions("jobs.view_job", inside=make.tenant())

    with pytest.raises(NotAllowed):
        jobs.watch_log(execution, actor=stranger.actor)

    assert not is_watched(execution)


@pytest.mark.parametrize("query", [{"from": "end"}, {"after": "x.0"}], ids=["opened", "followed"])
def test_an_open_page_of_a_try_watches(execution, query):
    superuser().get(page_of(execution, "log"), **query)

    assert is_watched(execution)


def test_an_open_page_of_a_job_watches_its_newest_try(execution):
    superuser().get(page_of(execution.job, "log"), **{"from": "end"})

    assert is_watched(execution)


def test_who_sees_only_this_job_watches_too(execution):
    reader = with_permissions("jobs.view_job", inside=execution.folder)

    answer = reader.get(page_of(execution.job, "log"), **{"from": "end"})

    assert answer.status_code == 200
    assert is_watched(execution)


def test_a_page_of_a_stranger_watches_nothing(execution):
    stranger = with_permissions("jobs.view_job", inside=make.tenant())

    answer = stranger.get(page_of(execution, "log"), **{"from": "end"})

    assert answer.status_code == 404
    assert not is_watched(execution)


def test_following_over_the_api_watches_and_reading_once_does_not(execution):
    root = api.root()
    once = root.get(f"executions/{execution.pk}/log")
    after_once = is_watched(execution)

    followed = root.get(f"executions/{execution.pk}/log", {"after": once.json()["next"]})

    assert followed.status_code == 200
    assert (after_once, is_watched(execution)) == (False, True)
