"""The one kind of key."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from apps.core import ids

#: From the epoch to beyond the year 3900, to the microsecond.
MOMENTS = st.integers(0, 61_000_000_000_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


def test_it_is_a_plain_uuid_of_version_7():
    made = ids.uuid7()

    assert type(made) is uuid.UUID
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_they_sort_in_the_order_they_were_made():
    made = [ids.uuid7() for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_threads_make_no_two_alike():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids.uuid7(), range(10_000)))

    assert len(set(made)) == len(made)


def test_it_carries_the_moment_it_was_made():
    before = time.time()
    made = ids.made_at(ids.uuid7()).timestamp()

    assert before - 0.01 <= made <= time.time() + 0.01


@given(MOMENTS)
def test_the_first_id_of_a_moment_says_that_moment(moment):
    first = ids.first_id_at(moment)

    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert timedelta(0) <= moment - ids.made_at(first) < timedelta(milliseconds=1.1)


@given(MOMENTS, MOMENTS)
def test_first_ids_sort_like_their_moments(one, other):
    earlier, later = sorted([one, other])

    assert ids.first_id_at(earlier) <= ids.first_id_at(later)


def test_nothing_made_later_comes_before_the_first_id_of_a_moment():
    first = ids.first_id_at(datetime.now(UTC) - timedelta(milliseconds=2))

    assert first < ids.uuid7()


def test_the_zone_of_a_moment_changes_nothing():
    moment = datetime(2030, 5, 1, 12, tzinfo=UTC)

    assert ids.first_id_at(moment.astimezone(timezone(timedelta(hours=5)))) == ids.first_id_at(moment)
