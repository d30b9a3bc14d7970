"""Whether the system can work, told to load balancers and to people."""

from datetime import timedelta

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from apps.console import services, tasks
from apps.console.models import RoleHeartbeat
from apps.console.rules import TICK, worker_for
from apps.console.views import health
from apps.core.actors import Actor

pytestmark = pytest.mark.django_db

READY = ["/health", "/health/ready", "/api/health", "/api/v1/health/ready"]
ROLES = ["beat", *(worker_for(queue) for queue in settings.QUEUES)]
LIVE = ["/health/live", "/api/v1/health/live"]


@pytest.fixture(autouse=True)
def broker():
    """A broker inside this process; call it with an address to use another."""

    def use(address):
        current_app.conf.broker_write_url = current_app.conf.broker_url = address

    before = current_app.conf.broker_url
    use("memory://")
    yield use
    use(before)


@pytest.fixture
def all_roles(system):
    for role in ROLES:
        services.note_role_seen(role, instance="host:1", actor=system)


def checks(response):
    return {check["name"]: check for check in response.json()["checks"]}


@pytest.mark.parametrize("path", LIVE)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_living_process_says_so_and_asks_nothing(client, path, slash, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get(path + slash)

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", READY)
@pytest.mark.parametrize("slash", ["", "/"])
def test_all_is_well(client, path, slash, all_roles):
    response = client.get(path + slash)

    assert response.status_code == 200
    assert response.json()["status"] == "ok"
    assert list(checks(response)) == ["database", "migrations", "keys", "broker", *ROLES]


def test_a_load_balancer_may_ask_by_head(client, all_roles):
    response = client.head("/health/ready")

    assert (response.status_code, response.content) == (200, b"")


def test_answers_about_health_are_not_stored(client):
    assert client.get("/health/live").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_never_seen_only_degrades(client, all_roles, role):
    RoleHeartbeat.objects.filter(role=role).delete()

    response = client.get("/health/ready")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert checks(response)[role]["status"] == "degraded"
    assert f"manage.py {role.partition(':')[0]}" in checks(response)[role]["what_to_do"]


@pytest.mark.parametrize("role", ["beat", "worker:sweeps"])
def test_a_role_that_fell_silent_only_degrades(client, all_roles, role):
    RoleHeartbeat.objects.filter(role=role).update(at=timezone.now() - timedelta(seconds=90))

    response = client.get("/health/ready")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert "seconds ago" in checks(response)[role]["detail"]


def test_one_living_instance_of_a_role_is_enough(client, all_roles, system):
    RoleHeartbeat.objects.update(at=timezone.now() - timedelta(hours=1))
    services.note_role_seen("beat", instance="other:1", actor=system)
    for queue in settings.QUEUES:
        services.note_role_seen(worker_for(queue), instance="other:2", actor=system)

    assert client.get("/health/ready").json()["status"] == "ok"


def test_a_dead_broker_only_degrades(client, all_roles, broker, tmp_path):
    broker(f"redis+socket://{tmp_path}/nobody.sock")

    response = client.get("/health/ready")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert checks(response)["broker"]["detail"] == "The broker does not answer."


def test_a_missing_migration_takes_the_process_out_of_service(client, all_roles):
    MigrationRecorder(connection).record_unapplied("requests", "0001_initial")

    response = client.get("/health/ready")

    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    assert checks(response)["migrations"]["detail"] == "Not applied: requests.0001_initial."
    assert response.headers["Retry-After"] == "5"


def test_a_migration_that_replaces_applied_ones_is_not_missing(monkeypatch):
    on_disk = {("requests", "0001_squashed"): [("requests", "0001_initial")], ("requests", "0001_initial"): []}
    monkeypatch.setattr(health, "_migrations_on_disk", lambda: on_disk)

    assert health.missing_migrations() == []


def test_a_queue_for_which_nobody_works_is_named(client, all_roles):
    RoleHeartbeat.objects.filter(role="worker:triggers").delete()

    found = checks(client.get("/health/ready"))["worker:triggers"]

    assert found["detail"] == "No worker takes tasks of the queue triggers: never seen."
    assert "--queues triggers" in found["what_to_do"]


def test_the_tick_shows_that_somebody_works_for_its_queue():
    tasks.tick(queue="triggers")

    assert RoleHeartbeat.objects.get().role == "worker:triggers"


def test_sending_the_tick_shows_that_beat_lives():
    current_app.send_task(TICK, kwargs={"queue": "default"})

    assert RoleHeartbeat.objects.get().role == "beat"


def test_sending_anything_else_shows_nothing():
    current_app.send_task("requests.delete_expired")

    assert not RoleHeartbeat.objects.exists()


def test_seeing_an_instance_again_moves_its_time_and_adds_no_row(system):
    services.note_role_seen("beat", instance="host:1", actor=system)
    RoleHeartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))

    services.note_role_seen("beat", instance="host:1", actor=system)

    assert RoleHeartbeat.objects.ages()["beat"] < timedelta(minutes=1)
    assert RoleHeartbeat.objects.count() == 1


def test_instances_long_gone_are_forgotten(system):
    services.note_role_seen("beat", instance="old:1", actor=system)
    RoleHeartbeat.objects.update(at=timezone.now() - timedelta(days=2))

    services.note_role_seen("beat", instance="new:1", actor=system)

    assert [str(row) for row in RoleHeartbeat.objects.all()] == ["beat new:1"]


def test_only_the_system_notes_who_lives(django_user_model):
    from apps.core.errors import NotAllowed

    nobody = Actor("robot", "r", "r")
    with pytest.raises(NotAllowed):
        services.note_role_seen("beat", instance="x", actor=nobody)
