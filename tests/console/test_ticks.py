"""How often background work is done, as administrators change it."""

from __future__ import annotations

import pytest

from apps.audit.models import AuditEntry
from apps.console import services
from apps.console.models import MOST_SECONDS, Tick
from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from tests import make
from tests.admin.visitors import list_of, superuser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def tick():
    return Tick.objects.create(name="audit.seal_entries", usual_seconds=30)


def test_a_tick_comes_as_usual_until_somebody_changes_it(tick, system):
    assert tick.every == 30

    changed = services.change_tick(tick, actor=system, seconds=60, enabled=True)

    assert (changed.every, changed.usual_seconds) == (60, 30)


def test_a_tick_can_be_as_usual_again(tick, system):
    services.change_tick(tick, actor=system, seconds=60, enabled=False)

    changed = services.change_tick(tick, actor=system, seconds=None, enabled=True)

    assert (changed.every, changed.enabled) == (30, True)


def test_the_trail_says_what_was_changed(tick, system):
    services.change_tick(tick, actor=system, seconds=60, enabled=False)

    entry = AuditEntry.objects.get(action="tick.changed")
    assert entry.before == {"every": 30, "enabled": True}
    assert entry.after == {"every": 60, "enabled": False}


@pytest.mark.parametrize("seconds", [0, -1, MOST_SECONDS + 1])
def test_an_interval_that_makes_no_sense_is_refused(tick, system, seconds):
    with pytest.raises(services.BadInterval, match="choose from 1 to 604800"):
        services.change_tick(tick, actor=system, seconds=seconds, enabled=True)


def test_who_looks_after_one_tenant_neither_sees_nor_changes_ticks(tick):
    person = make.user("console.view_tick", "console.change_tick", inside=make.tenant())
    actor = Actor.person(person)

    assert list(Tick.objects.visible_to(actor)) == []
    with pytest.raises(NotAllowed):
        services.change_tick(tick, actor=actor, seconds=60, enabled=True)


def test_who_may_do_so_everywhere_sees_and_changes_them(tick):
    actor = Actor.person(make.user("console.view_tick", "console.change_tick"))

    assert list(Tick.objects.visible_to(actor)) == [tick]
    assert services.change_tick(tick, actor=actor, seconds=60, enabled=True).every == 60


def test_the_list_says_what_each_brings_about_and_how_often():
    for name, seconds in (("retention.prune", 300), ("console.tick.sweeps", 15), ("encryption.reencrypt", 3600)):
        Tick.objects.get_or_create(name=name, defaults={"usual_seconds": seconds})

    shown = text_of(superuser().get(list_of(Tick)))

    assert "Let go what is kept no longer" in shown
    assert "Note that somebody works for a queue" in shown
    assert "5 min" in shown
    assert "1 h" in shown
