from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core.actors import Actor
from apps.requests import services, tasks
from apps.requests.models import IdempotencyRecord

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")


def records(count: int, *, expired: bool) -> None:
    moment = timezone.now() + timedelta(hours=-1 if expired else 1)
    IdempotencyRecord.objects.bulk_create(
        IdempotencyRecord(
            principal=f"expired={expired}",
            key=str(number),
            method="POST",
            path="/x",
            body_hash="0",
            status_code=201,
            body=b"{}",
            expires_at=moment,
        )
        for number in range(count)
    )


def test_only_what_is_over_is_deleted():
    records(3, expired=True)
    records(2, expired=False)

    assert services.delete_expired(actor=SYSTEM) == 3
    assert IdempotencyRecord.objects.count() == 2


def test_a_batch_has_its_limit():
    records(5, expired=True)

    assert services.delete_expired(actor=SYSTEM, limit=2) == 2
    assert IdempotencyRecord.objects.count() == 3


def test_the_task_goes_on_until_nothing_is_left(monkeypatch):
    monkeypatch.setattr(tasks, "_BATCH", 2)
    records(5, expired=True)

    assert tasks.delete_expired() == 5
    assert not IdempotencyRecord.objects.exists()
