"""Items hold whatever happens; and a machine that could not tell would be no proof, so it is shown mistakes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from apps.core.actors import Actor
from apps.queues import services
from apps.queues.models import ItemLease, ItemStatus, QueueItem
from apps.queues.rules import outcomes
from apps.queues.services import Report, Settled, _settling, settling
from tests import make
from tests.queues.item_machine import ItemMachine
from tests.queues.item_model import MAX_ATTEMPTS, MOST_CRASHES

pytestmark = pytest.mark.django_db

PLAIN = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    report_multiple_bugs=False,
    stateful_step_count=30,
)
EXAMPLES = 15
MOST_EXAMPLES_FOR_A_MISTAKE = 100


@pytest.fixture(autouse=True)
def world(monkeypatch):
    """A queue that tries a failed item once more, at once, and parks what took three holders with it."""
    queue = make.queue(max_attempts=MAX_ATTEMPTS, most_crashes=MOST_CRASHES, backoff_base=0)
    monkeypatch.setattr(ItemMachine, "queue", queue, raising=False)


def explore(examples: int) -> None:
    run_state_machine_as_test(ItemMachine, settings=settings(PLAIN, max_examples=examples))


def test_items_hold_whatever_happens():
    explore(EXAMPLES)


finish = settling.finish_item
retry = _settling.retry
verdict = outcomes.verdict


@transaction.atomic
def while_in_progress(lease: ItemLease, *, actor: Actor, report: Report) -> Settled:
    """Let a report count as long as its item is worked on, whoever works on it now."""
    item, lease = _settling.lock_of(lease)
    if item.status == ItemStatus.IN_PROGRESS and lease.closed_at is not None:
        return _settling.settle(item, ItemLease.objects.get(item=item, closed_at=None), report)
    return finish(lease, actor=actor, report=report)


def although_others_had_it(item: QueueItem, lease: ItemLease, report: Report) -> bool:
    """Whether a late success counts: as long as the item waits, also where others failed with it since."""
    return report.outcome == "done" and item.status == ItemStatus.NEW


def with_the_same_number(item: QueueItem, **how: Any) -> QueueItem:
    return retry(item, **how | {"attempt": item.attempt})


@transaction.atomic
def sweep_from_a_snapshot(lease: ItemLease, *, actor: Actor) -> bool:
    """Take back what had run out when the sweep looked, although it was renewed since."""
    item, lease = _settling.lock_of(lease)
    if lease.closed_at is not None:
        return False
    _settling.settle(item, lease, _settling.VANISHED)
    return True


def whatever_the_error(outcome: Any, facts: Any, **error: str) -> Any:
    decided = verdict(outcome, facts, **error)
    is_retried = outcome == "failed" and facts.attempt < facts.max_attempts
    return dataclasses.replace(decided, is_retried=is_retried)


def for_ever(outcome: Any, facts: Any, **error: str) -> Any:
    return verdict(outcome, dataclasses.replace(facts, crashes=0), **error)


MISTAKES = {
    "a report counts while its item is in progress": (services, "finish_item", while_in_progress),
    "a late success counts although others had the item since": (settling, "_may_be_adopted", although_others_had_it),
    "a retry has the number of the one it retries": (_settling, "retry", with_the_same_number),
    "the sweep trusts what it saw": (services, "sweep_lease", sweep_from_a_snapshot),
    "a business error is tried again": (_settling, "verdict", whatever_the_error),
    "an item that takes its holders with it is handed out for ever": (_settling, "verdict", for_ever),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found(monkeypatch, mistake):
    monkeypatch.setattr(*mistake)

    with pytest.raises(AssertionError):
        explore(MOST_EXAMPLES_FOR_A_MISTAKE)
