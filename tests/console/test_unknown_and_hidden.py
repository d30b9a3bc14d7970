"""E13: nobody learns from an answer, its work or its time whether what they may not see is there."""

from __future__ import annotations

import statistics
import time
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.rbac import services as rbac
from apps.rbac.models import Role
from tests import api, make
from tests.api_routes import World, routes

pytestmark = pytest.mark.django_db
TRIES = 40


@pytest.fixture
def stranger():
    person = make.user()
    role = Role.objects.get(name="Administrator", tenant=None)
    rbac.assign_role(role, actor=make.SYSTEM, user=person, tenant=make.tenant())
    return api.Caller(person)


def shapes(caller, address):
    """The statements a call makes, without their values."""
    with CaptureQueriesContext(connection) as asked:
        answer = caller.call("GET", address)
    return answer.status_code, [one["sql"].partition(" WHERE ")[0] for one in asked.captured_queries]


def test_e13_the_same_questions_are_asked_about_what_is_hidden_and_what_is_not_there(stranger):
    world = World()
    nowhere = dict.fromkeys(world.rows, uuid.uuid4())
    wanted = [one for one in routes() if one.names_row and one.method == "GET" and not one.is_own]
    stranger.call("GET", "jobs")  # What is looked up once in the life of a process is known from here on.

    different = {
        str(one): (hidden, unknown)
        for one in wanted
        if (hidden := shapes(stranger, one.address(world.rows))) != (unknown := shapes(stranger, one.address(nowhere)))
        or hidden[0] != 404
    }

    assert different == {}


def test_e13_the_medians_of_hidden_and_unknown_lie_within_noise(stranger):
    job = make.job()
    times: dict[str, list[float]] = {"hidden": [], "unknown": []}

    for _ in range(TRIES):
        for name, identity in (("hidden", job.pk), ("unknown", uuid.uuid4())):
            began = time.perf_counter()
            stranger.call("GET", f"jobs/{identity}")
            times[name].append(time.perf_counter() - began)

    hidden, unknown = (statistics.median(times[name]) for name in ("hidden", "unknown"))
    assert abs(hidden - unknown) < max(0.5 * max(hidden, unknown), 0.005)
