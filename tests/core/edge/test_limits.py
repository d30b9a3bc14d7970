"""How often who may call: exactly so often, whoever asks at the same time, and never at the price of the fleet."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.core import tokens
from apps.core.actors import Actor
from apps.core.edge import limits, rates
from apps.core.errors import TooOften
from orchestrator.embedded.throwaway import throwaway
from orchestrator.environment import Environment
from tests import make


@pytest.fixture(scope="module")
def store():
    """A server such as the one that counts in an installation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CELERY_BROKER_URL", raising=False)
        patch.delenv("CELERY_BROKER_URL_FILE", raising=False)
        patch.setenv("DATABASE_URL", "postgresql://not.asked.for/bv")
        with throwaway(lambda line: None) as found:
            yield rates.store_beside(found["CELERY_BROKER_URL"])


@pytest.fixture
def counting(settings, store):
    """Switch counting on, under a name that no other test counts under."""
    settings.RATE_LIMITS, settings.RATE_LIMIT_STORE = "", store
    settings.RATE_LIMIT_PREFIX = f"test:{timezone.now().timestamp()}"
    limits._Store.is_away_until = -math.inf
    return settings


def key_of(person=None):
    tenant = make.tenant()
    return make.api_key(person or make.user("jobs.view_job", inside=tenant), tenant)


def test_f8_two_hundred_at_once_exceed_the_limit_by_none(counting):
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: limits.hit("reveal", "somebody"), range(200)))

    assert answers.count(None) == 30
    assert {answer.retry_after for answer in answers if answer} <= {3599, 3600}
    assert limits.hit("reveal", "somebody else") is None


def test_what_was_refused_is_taken_again_when_it_was_said_to_be(counting):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        assert [limits.hit("test", "somebody") for _ in range(5)] == [None] * 5
        refused = limits.hit("test", "somebody")
    with time_machine.travel(now + timedelta(seconds=refused.retry_after - 2), tick=False):
        assert limits.hit("test", "somebody") is not None
    with time_machine.travel(now + timedelta(seconds=refused.retry_after + 1), tick=False):
        assert limits.hit("test", "somebody") is None


def test_bytes_of_logs_are_counted_together(counting):
    taken = [limits.hit("log", "r:robot", amount=256) for _ in range(16)]

    assert taken == [None] * 16
    assert limits.hit("log", "r:robot", amount=256).retry_after <= 32


@pytest.mark.django_db
class TestCalls:
    def test_a_key_that_calls_too_often_is_told_when_to_come_again(self, counting):
        counting.RATE_LIMITS = "read=3 per 5 seconds,write=2 per minute"
        client, other = (Client(headers={"X-Api-Key": key_of()}) for _ in range(2))

        statuses = [client.get("/api/v1/me").status_code for _ in range(4)]
        refused = client.get("/api/v1/me")
        writes = [client.post("/api/v1/jobs", {}, content_type="application/json").status_code for _ in range(3)]

        assert statuses == [200, 200, 200, 429]
        assert 1 <= int(refused["Retry-After"]) <= 5
        assert refused.json()["code"] == "too_often"
        assert "3 per 5 seconds" in refused.json()["detail"]
        assert writes == [400, 400, 429]
        assert other.get("/api/v1/me").status_code == 200
        assert client.get("/api/v1/health/live").status_code == 200

    def test_calls_without_a_credential_count_for_their_network(self, counting):
        counting.RATE_LIMITS = "stranger=2 per minute"

        def ask(address, **headers):
            return Client(headers=headers).get("/api/v1/me", REMOTE_ADDR=address).status_code

        assert [ask("192.0.2.1") for _ in range(3)] == [401, 401, 429]
        assert ask("192.0.2.2") == 401
        assert [ask(f"2001:db8::{host}") for host in (1, 2, 3)] == [401, 401, 429]
        # A text that is no token's, and one that looks like it: guessing is no faster.
        assert [ask("192.0.2.3", Authorization="Bearer x") for _ in range(3)] == [401, 401, 429]
        guessed = [ask("192.0.2.4", Authorization=f"Bearer {tokens.generate('u')}") for _ in range(3)]
        assert guessed == [401, 401, 429]
        # Whoever has a key is not held up by what others do from the same network.
        assert ask("192.0.2.4", Authorization=f"Bearer {key_of()}") == 200

    def test_pages_of_people_count_for_the_person(self, counting):
        counting.RATE_LIMITS = "read=2 per minute,stranger=1 per minute"
        client = Client()
        client.force_login(make.user(superuser=True))

        answers = [client.get("/admin/") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1]["Content-Type"].startswith("text/plain")
        assert [Client().get("/admin/login/").status_code for _ in range(2)] == [200, 429]

    def test_a_hundred_robots_of_one_network_are_never_held_up(self, counting):
        robots = [make.robot_with_token()[1] for _ in range(3)]
        start = timezone.now()
        calls = [("post", "heartbeat"), ("post", "next-job")]
        counted = []

        # Each second each robot makes its three calls: what a view would ask the database is left out for most.
        for second in range(12):
            with time_machine.travel(start + timedelta(seconds=second), tick=False):
                for number in range(97):
                    for kind in ("heartbeat", "next_job", "stop_requested"):
                        counted.append(limits.hit("poll", f"r:{number}:apps.runner.views.bv.robots.{kind}"))
                if second % 4 == 0:
                    for token in robots:
                        client = Client(headers={"X-Robot-Token": token})
                        for _ in range(4):
                            for method, call in calls:
                                answer = getattr(client, method)(f"/api/runner/{call}", REMOTE_ADDR="192.0.2.9")
                                counted.append(None if answer.status_code != 429 else answer)

        assert counted == [None] * len(counted)
        with time_machine.travel(start + timedelta(seconds=60), tick=False):
            client = Client(headers={"X-Robot-Token": robots[0]})
            statuses = [client.post("/api/runner/heartbeat").status_code for _ in range(11)]
            other_kind = client.post("/api/runner/next-job").status_code
        assert [status == 429 for status in statuses] == [False] * 10 + [True]
        assert other_kind != 429

    def test_a_store_that_is_away_stops_nobody_and_is_asked_once_in_a_while(self, counting, tmp_path, caplog):
        counting.RATE_LIMITS = "read=1 per minute"
        counting.RATE_LIMIT_STORE = f"redis+unix://{tmp_path}/nobody.sock"
        client = Client(headers={"X-Api-Key": key_of()})

        assert [client.get("/api/v1/me").status_code for _ in range(3)] == [200, 200, 200]
        assert [record.msg["event"] for record in caplog.records].count("calls_not_counted") == 1


@pytest.mark.django_db(transaction=True)
def test_exactness_holds_through_the_door(counting):
    counting.RATE_LIMITS = "read=20 per hour"
    key = key_of()

    def ask(_):
        try:
            return Client(headers={"X-Api-Key": key}).get("/api/v1/me").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(60)))

    assert answers.count(200) == 20
    assert answers.count(429) == 40


def test_what_is_dear_is_counted_by_who_does_it(counting):
    actor = Actor("person", "1", "Ann")
    for _ in range(5):
        limits.spend("export", actor)
        limits.spend("export", Actor.system("export"))

    with pytest.raises(TooOften, match="5 per hour") as refused:
        limits.spend("export", actor)
    assert 3590 <= refused.value.retry_after <= 3600


@pytest.mark.parametrize(
    ("text", "says"),
    [("reads=1 per second", "is not one of"), ("read", "is not one of"), ("read=fast", "is no rate"),
     ("read=0 per second", "is no rate"), ("read=5 per 0 seconds", "is no rate")],
)  # fmt: skip
def test_a_setting_that_cannot_be_read_is_named(monkeypatch, text, says):
    monkeypatch.setenv("RATE_LIMITS", text)

    with pytest.raises(ImproperlyConfigured, match=f"RATE_LIMITS: .*{says}"):
        Environment().rate_limits("RATE_LIMITS", default="")


@pytest.mark.parametrize(
    ("broker", "store"),
    [
        ("redis+socket:///run/valkey.sock?virtual_host=0", "redis+unix:///run/valkey.sock"),
        ("rediss://user:secret@host:6379/1", "rediss://user:secret@host:6379/1"),
        ("amqp://host", "memory://"),
    ],
)
def test_calls_are_counted_beside_the_broker_where_it_can(broker, store):
    assert rates.store_beside(broker) == store
