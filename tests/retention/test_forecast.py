"""The page and the figures that say what there is, and what goes when."""

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from apps.configuration.models import Setting
from apps.core import streams
from apps.events.models import Event
from apps.retention.models import KINDS, forecasts
from apps.retention.tasks import prune
from tests import make
from tests.admin.visitors import Visitor, holding, superuser, text_of
from tests.retention.aged import cancelled, days_ago, done, keep

pytestmark = pytest.mark.django_db


@pytest.fixture
def page():
    return reverse("admin:retention")


def of(kind):
    found = forecasts.forecast(Setting.objects.in_force("retention"))
    return next(one for one in found if one.kind.name == kind)


def counted(*tables):
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(tables)}")


def test_rows_and_sizes_are_what_the_database_knows():
    process = make.process()
    for _ in range(20):
        cancelled(5, process)
    counted("jobs_job")

    jobs = of("jobs")

    assert jobs.rows == 20
    assert jobs.size > 0


def test_what_goes_within_a_week_is_what_will_be_too_old_by_then():
    process = make.process()
    for number in range(20):
        cancelled(25 if number < 10 else 1, process)
    counted("jobs_job")

    jobs = of("jobs")

    assert 5 <= jobs.soon_rows <= 15
    assert 0 < jobs.soon_bytes < jobs.size


def test_the_oldest_goes_once_its_days_are_over():
    cancelled(1)
    done(1)
    keep(jobs=7)

    jobs = of("jobs")

    assert jobs.goes_at == jobs.oldest_at + timedelta(days=7)
    assert of("queue_items").goes_at > timezone.now() + timedelta(days=89)


def test_of_a_stream_the_oldest_goes_with_its_whole_partition():
    make.job()

    events = of("events")
    own = streams.Partition.holding("events_event", Event.PARTITION_BY, events.oldest_at.date())

    assert events.goes_at.date() == own.end + timedelta(days=30)


def test_an_empty_kind_has_no_oldest():
    firings = of("firings")

    assert (firings.rows, firings.oldest_at, firings.goes_at, firings.soon_rows) == (0, None, None, 0)


def test_every_kind_and_its_last_run_are_on_the_page(page):
    cancelled(31)
    prune()

    text = text_of(superuser().get(page))

    assert [kind.title for kind in KINDS.values() if kind.title not in text] == []
    assert "1 gone" in text
    assert "VACUUM FULL" in text


def test_who_keeps_things_for_another_time_is_named(page):
    mine = make.tenant("Patient & Sons")
    keep(mine, jobs=60)
    make.queue(make.folder(mine), name="Invoices", retention_days=3)
    make.process(make.folder(mine), name="Bookings", retention_days=1)

    text = text_of(superuser().get(page))

    assert "60 days" in text
    assert "Invoices" in text
    assert "Bookings" in text


def test_it_says_that_nothing_goes(page):
    Setting.objects.create(name="retention.retention_enabled", type="bool", value=False, set_by="test")

    assert "Nothing goes" in text_of(superuser().get(page))


def test_what_stopped_the_last_run_is_told(page):
    prune()
    type(of("jobs").pruning).objects.filter(kind="events").update(problem="canceling statement due to lock timeout")

    assert "canceling statement due to lock timeout" in text_of(superuser().get(page))


def test_it_is_for_who_may_look_at_the_whole_installation(page):
    assert holding("Viewer").get(page).status_code == 200
    assert holding("Administrator", make.tenant()).get(page).status_code == 403
    assert Visitor(make.user()).get(page).status_code == 403


def test_it_takes_as_many_questions_whatever_there_is(page, django_assert_max_num_queries):
    visitor = superuser()
    for _ in range(3):
        cancelled(31)
        make.queue(retention_days=4)
    assert days_ago(1) < timezone.now()

    with django_assert_max_num_queries(120):
        visitor.get(page)
