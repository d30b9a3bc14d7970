"""Pages of queues: how they do, what they ask for, and what payloads must look like."""

from __future__ import annotations

import pytest

from apps.queues import services
from apps.queues.models import Queue, statistics
from tests import make
from tests.admin.visitors import list_of, new, page_of, superuser, text_of

pytestmark = pytest.mark.django_db
SYSTEM = make.SYSTEM


def ended(queue, *reports):
    for report in reports:
        services.finish_item(make.taken(queue), actor=SYSTEM, report=report)


def failed(code, kind="business"):
    return services.Report("failed", error_type=kind, error_code=code, error_reason="no such customer")


def test_the_list_tells_what_waits_is_held_and_has_failed():
    queue = make.queue(name="Invoices")
    make.items(queue, *range(5))
    ended(queue, failed("E7"))
    make.taken(queue)

    shown = text_of(superuser().get(list_of(Queue)))

    assert f'<span id="waiting-{queue.pk}"><span class="op-nowrap">3</span>' in shown
    assert f'<span id="in_progress-{queue.pk}"><span class="op-nowrap">1</span>' in shown
    assert f'<span id="failed-{queue.pk}"><span class="op-badge op-bad" title="">1</span>' in shown


def test_the_list_brings_its_figures_up_to_date():
    queue = make.queue()
    visitor = superuser()
    shown = text_of(visitor.get(list_of(Queue)))
    make.items(queue, 1, 2)

    answer = text_of(visitor.get(f"{list_of(Queue)}rows/", rows=str(queue.pk)))

    assert f"rows/?rows={queue.pk}" in shown
    assert f'<span id="waiting-{queue.pk}" hx-swap-oob="true"><span class="op-nowrap">2</span>' in answer


def test_its_page_tells_how_it_does_and_when_it_will_be_empty():
    queue = make.queue(description="What the scanner sends.")
    make.items(queue, *range(5))
    ended(queue, services.Report("done"), failed("E7"), failed("E7"))

    shown = text_of(superuser().open(queue))

    assert "What the scanner sends." in shown
    assert "at this pace it does not become empty" in shown
    assert "Items in the last 24 hours" in shown
    assert "Came in <strong>5</strong>" in shown
    assert '<span class="op-mono">E7</span>' in shown


def test_where_more_came_than_is_looked_at_the_lines_begin_later(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_ENDED", 2)
    queue = make.queue()
    make.items(queue, *range(5))

    shown = text_of(superuser().open(queue))

    assert "Items in the last hour" in shown


def test_its_page_refreshes_by_itself():
    queue, visitor = make.queue(), superuser()
    make.items(queue, 1)

    answer = visitor.get(page_of(queue, "live"))

    assert answer.status_code == 200
    assert "Waiting" in text_of(answer)


def test_a_paused_queue_says_why():
    queue = services.pause_queue(make.queue(), actor=SYSTEM, reason="the bank is down")

    shown = text_of(superuser().open(queue))

    assert "It is paused: the bank is down" in shown
    assert page_of(queue, "resume") in shown
    assert page_of(queue, "pause") not in shown


def test_what_is_wrong_is_said_at_its_field():
    folder = make.folder()

    response = superuser().post(new(Queue), sent(folder, schema='{"type": "nonsense"}'))
    timed = superuser().post(new(Queue), sent(folder, unique_references="window"))

    assert "no JSON Schema" in response.context["form"].errors["schema"][0]
    assert "say for how many seconds" in timed.context["form"].errors["unique_window"][0].lower()
    assert not Queue.objects.exists()


def sent(folder, **more):
    settings = {"max_attempts": 1, "backoff_base": 10, "backoff_cap": 60, "unique_references": "off"}
    keeping = {"default_priority": 0, "lease_seconds": 300, "most_crashes": 3}
    return {"name": "Invoices", "folder": folder.pk} | settings | keeping | more


def test_each_version_of_its_schema_has_a_page():
    queue = make.queue(schema={"type": "object"})
    services.update_queue(queue, actor=SYSTEM, schema={"type": "array"})
    visitor = superuser()

    shown = text_of(visitor.open(queue))
    first = visitor.get(f"{page_of(queue).removesuffix('change/')}schema/1/")
    none = visitor.get(f"{page_of(queue).removesuffix('change/')}schema/3/")

    assert "version 1" in shown
    assert "version 2" in shown
    assert "&quot;object&quot;" in text_of(first)
    assert none.status_code == 404


def test_an_edit_begins_with_what_holds_and_makes_no_version_where_nothing_changed():
    queue = make.queue(schema={"type": "object"}, sla=60)
    visitor = superuser()
    form = visitor.get(page_of(queue, "edit")).context["form"]
    shown = {name: form[name].value() for name in form.fields if form[name].value() not in (None, "")}

    visitor.do(queue, "edit", **shown)

    queue.refresh_from_db()
    assert (queue.sla, queue.schema.number, queue.backoff_jitter) == (60, 1, True)
