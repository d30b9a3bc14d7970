"""Numbers for Prometheus, for those who may have them."""

from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apps.console import services
from apps.jobs.models import Job, Plane
from apps.robots.models import Robot
from tests import make

pytestmark = pytest.mark.django_db

PATHS = ["/metrics", "/api/v1/metrics"]


def numbers(response):
    """Return every sample as name, with its labels, to value."""
    assert response.status_code == 200, response.content
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("slash", ["", "/"])
def test_this_machine_may_read(client, path, slash):
    response = client.get(path + slash)

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")


@pytest.mark.parametrize("path", PATHS)
def test_other_machines_may_not(client, path):
    response = client.get(path, REMOTE_ADDR="203.0.113.9")

    assert response.status_code == 403
    assert "METRICS_ALLOWED_NETWORKS" in response.json()["detail"]


def test_a_network_may_be_allowed(client, settings):
    settings.METRICS_ALLOWED_NETWORKS = ["203.0.113.0/24"]

    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 200
    assert client.get("/metrics").status_code == 403


def test_a_token_opens_from_anywhere(client, settings):
    settings.METRICS_TOKEN = "let-me-see"

    response = client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers={"Authorization": "Bearer let-me-see"})

    assert response.status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", "Basic let-me-see", "Bearer lét-me-see"])
def test_a_wrong_token_does_not(client, settings, header):
    settings.METRICS_TOKEN = "let-me-see"

    response = client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers={"Authorization": header} if header else None)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_an_empty_token_is_no_token(client, settings):
    settings.METRICS_TOKEN = ""

    response = client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers={"Authorization": "Bearer "})

    assert response.status_code == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_a_proxy_we_do_not_know_does_not_lend_its_address(client, header):
    response = client.get("/metrics", headers={header: "127.0.0.1"})

    assert response.status_code == 403


def test_behind_our_proxy_the_callers_own_address_counts(client, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1/32"]

    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.5"}).status_code == 200


def test_requests_are_counted_by_template_method_and_status(client):
    client.get("/health/live")

    found = numbers(client.get("/metrics"))

    assert found["bv_http_request_duration_seconds_count", "/health/live", "200", "GET"] >= 1


def test_the_process_and_the_database_are_up(client):
    found = numbers(client.get("/metrics"))

    assert found["bv_uptime_seconds",] > 0
    assert found["bv_database_up",] == 1


def test_jobs_are_counted_by_status(client):
    before = numbers(client.get("/metrics"))
    make.job()
    make.job()

    found = numbers(client.get("/metrics"))

    assert found["bv_jobs", "pending"] - before["bv_jobs", "pending"] == 2
    assert found["bv_jobs", "running"] == before["bv_jobs", "running"]


def test_the_oldest_job_that_could_run_is_timed(client):
    late, later = make.job(), make.job()
    Job.objects.filter(pk=late.pk).update(available_at=timezone.now() - timedelta(minutes=5))
    Job.objects.filter(pk=later.pk).update(available_at=timezone.now() + timedelta(hours=5))

    found = numbers(client.get("/metrics"))

    assert found["bv_jobs_oldest_pending_seconds",] == pytest.approx(300, abs=30)


def test_robots_are_counted_by_what_they_show(client):
    rows = [make.robot() for _ in range(4)]
    Robot.objects.filter(pk=rows[0].pk).update(enabled=False)
    Robot.objects.filter(pk=rows[1].pk).update(error="identity cloned")
    Robot.objects.filter(pk=rows[2].pk).update(maintenance=True, maintenance_reason="new disk")

    found = numbers(client.get("/metrics"))

    assert [found["bv_robots", status] for status in ("disabled", "error", "maintenance", "offline")] == [1, 1, 1, 1]


def test_the_last_sweep_is_timed(client):
    Plane.objects.update(swept_at=timezone.now() - timedelta(seconds=42))

    assert numbers(client.get("/metrics"))["bv_sweep_lag_seconds",] == pytest.approx(42, abs=20)


def test_roles_are_timed(client, system):
    services.note_role_seen("beat", instance="host:1", actor=system)

    assert numbers(client.get("/metrics"))["bv_role_silence_seconds", "beat"] < 30


def test_the_tasks_that_wait_are_counted_by_queue(client, settings, monkeypatch):
    monkeypatch.setattr(current_app.conf, "broker_write_url", "memory://")
    with current_app.connection_for_write() as broker:
        channel = broker.default_channel
        channel.queue_declare("sweeps")
        channel.queue_purge("sweeps")
        current_app.send_task("jobs.sweep_leases", connection=broker)

        found = numbers(client.get("/metrics"))

        channel.queue_purge("sweeps")
    assert found["bv_broker_up",] == 1
    assert found["bv_tasks_waiting", "sweeps"] == 1
    assert found["bv_tasks_waiting", "triggers"] == 0


def test_a_broker_that_is_away_is_a_number_as_well(client, monkeypatch, tmp_path):
    monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis+socket://{tmp_path}/nobody.sock")

    found = numbers(client.get("/metrics"))

    assert found["bv_broker_up",] == 0
    assert not [name for name in found if name[0] == "bv_tasks_waiting"]
