"""What the jobs of a process may start by themselves."""

from __future__ import annotations

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.processes import services
from tests import api, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder():
    return make.folder()


def children(process):
    return sorted(process.may_start.values_list("name", flat=True))


def test_they_are_set_with_the_process_and_replaced_later(folder):
    one, two = make.process(folder, name="one"), make.process(folder, name="two")
    parent = make.process(folder, may_start=[one])
    before = children(parent)

    services.update_process(parent, actor=make.SYSTEM, may_start=[two, parent])

    entry = AuditEntry.objects.about(parent).first()
    assert before == ["one"]
    assert children(parent) == sorted(["two", parent.name])
    assert (entry.before["may_start"], entry.after["may_start"]) == (["one"], children(parent))


def test_what_is_not_named_stays(folder):
    one = make.process(folder, name="one")
    parent = make.process(folder, may_start=[one])

    services.update_process(parent, actor=make.SYSTEM, priority=3)

    assert children(parent) == ["one"]


def test_another_tenants_and_deleted_ones_are_refused(folder):
    parent, gone = make.process(folder), make.process(folder)
    services.delete_process(gone, actor=make.SYSTEM)
    gone.refresh_from_db()

    with pytest.raises(Invalid, match="may_start"):
        services.update_process(parent, actor=make.SYSTEM, may_start=[make.process()])
    with pytest.raises(Invalid, match="may_start"):
        services.update_process(parent, actor=make.SYSTEM, may_start=[gone])


def test_nobody_reaches_through_a_process_what_they_may_not_run(folder):
    parent, payments = make.process(folder), make.process(folder, name="payments")
    author = Actor.person(make.user("processes.change_process", "processes.view_process", inside=folder))

    with pytest.raises(NotAllowed, match="run process"):
        services.update_process(parent, actor=author, may_start=[payments])

    assert children(parent) == []


def test_what_one_does_not_see_is_not_taken_away(folder):
    hidden = make.process(folder, name="hidden")
    parent = make.process(folder, may_start=[hidden])
    actor = Actor.person(make.user("processes.change_process", inside=folder))

    services.update_process(parent, actor=actor, may_start=[])

    assert children(parent) == ["hidden"]


def test_a_list_of_processes_reads_them_at_once(folder, django_assert_max_num_queries):
    shared = make.process(folder)
    for _ in range(5):
        make.process(folder, may_start=[shared])
    root = api.root()
    root.get("processes")

    with django_assert_max_num_queries(12):
        rows = root.get("processes").json()["items"]

    assert sum(len(row["may_start"]) for row in rows) >= 5
