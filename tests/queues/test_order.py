"""The order in which items are handed out, for any items there may be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.queues import services
from apps.queues.services import Wanted
from tests import make

pytestmark = pytest.mark.django_db

NOW = timezone.now()
LATER = NOW + timedelta(days=1)
WANTED = st.lists(
    st.builds(
        Wanted,
        priority=st.integers(-2, 2),
        deadline=st.none() | st.integers(1, 4).map(lambda hours: NOW + timedelta(hours=hours)),
        available_at=st.sampled_from([None, None, NOW, LATER]),
    ),
    min_size=1,
    max_size=15,
)


@pytest.fixture
def folder():
    return make.folder()


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=WANTED, batch=st.integers(1, 6))
def test_the_best_goes_first_in_whatever_portions_and_what_is_postponed_stays(folder, wanted, batch):
    queue = make.queue(folder)
    items = services.add_items(queue, actor=make.SYSTEM, wanted=wanted)
    due = [item for item, one in zip(items, wanted, strict=True) if one.available_at != LATER]

    taken = [lease.item for _ in range(0, 15, batch) for lease in take(queue, batch)]

    assert [item.pk for item in taken] == [item.pk for item in sorted(due, key=by_policy)]
    assert take(queue, batch) == []


def take(queue, count):
    return services.take_items(queue, actor=make.SYSTEM, holder=make.holder(), count=count)


def by_policy(item):
    """Priority, deadline, age; what has no deadline comes after what has one."""
    return (-item.priority, item.deadline is None, item.deadline or NOW, item.pk)
