"""What was refused is in the audit trail, whichever kind of view refused it."""

import pytest
from django.test import Client

from apps.audit.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.api.urls")]


@pytest.fixture
def caller():
    return Client(headers={"X-Test-Caller": "ann"})


@pytest.mark.parametrize("view", ["faults", "plain-faults"])
def test_a_refusal_is_written_down_with_the_request(caller, view):
    response = caller.get(f"/api/test/{view}/not-allowed", headers={"X-Request-ID": "r-1", "User-Agent": "curl"})

    entry = AuditEntry.objects.get()
    assert response.status_code == 403
    assert (entry.outcome, entry.permission, entry.actor_name) == ("refused", "jobs.cancel_job", "tests")
    assert (entry.request_id, entry.address, entry.agent) == ("r-1", "127.0.0.1", "curl")


@pytest.mark.parametrize("fault", ["not-found", "conflict", "not-signed-in", "django-denied"])
def test_other_refusals_are_not(caller, fault):
    caller.get(f"/api/test/faults/{fault}")

    assert not AuditEntry.objects.exists()


def test_one_request_leaves_nothing_for_the_next(caller):
    caller.get("/api/test/faults/not-allowed")
    caller.get("/api/test/echo")

    assert AuditEntry.objects.count() == 1
