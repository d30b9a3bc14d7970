"""The audit trail and the events, as people read them."""

import pytest

from apps.accounts import services as accounts
from apps.audit.models import AuditEntry
from apps.events.models import Event
from apps.processes import services as processes
from apps.robots import services as robots
from tests import make
from tests.admin.visitors import Visitor, holding, list_of, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


def found(response):
    return {row.pk for row in response.context["cl"].result_list}


def test_an_entry_shows_what_changed_and_nothing_else():
    process = make.process(name="Old name", priority=1)
    processes.update_process(process, actor=make.SYSTEM, name="New name")
    entry = AuditEntry.objects.get(action="process.updated")

    response = superuser().open(entry)
    changes = next(panel for panel in response.context["page"].main if panel.title == "What changed")

    assert [[row[0], "Old name" in row[1], "New name" in row[2]] for row in changes.rows] == [["name", True, True]]


def test_an_entry_leads_to_what_it_was_done_to_while_that_may_be_opened():
    robot = make.robot()
    entry = AuditEntry.objects.get(action="robot.created")
    visitor = with_permissions("audit.view_auditentry", inside=robot.tenant)

    assert page_of(robot) in text_of(superuser().open(entry))
    assert page_of(robot) not in text_of(visitor.open(entry))


def test_the_trail_is_narrowed_by_target_outcome_actor_and_action():
    first, second = make.robot(), make.robot()
    visitor = superuser()
    robots.drain_robot(first, actor=visitor.actor)
    drained = AuditEntry.objects.get(action="robot.drained")
    address = list_of(AuditEntry)

    by_target = found(visitor.get(address, target=str(first.pk)))
    by_actor = found(visitor.get(address, actor_name__icontains=visitor.person.username))
    by_action = found(visitor.get(address, action__icontains="drain"))
    by_outcome = found(visitor.get(address, outcome__exact="refused"))
    by_tenant = found(visitor.get(address, tenant=str(second.tenant_id)))
    by_nonsense = found(visitor.get(address, target="nonsense"))

    assert drained.pk in by_target & by_actor & by_action
    assert not by_target & by_tenant
    assert (by_outcome, by_nonsense) == (set(), set())


def test_kinds_of_rows_are_named_in_words():
    version = make.package_version()

    shown = text_of(superuser().get(list_of(AuditEntry)))

    assert f"package version {version}" in shown
    assert "packageversion" not in shown


def test_a_refusal_shows_as_one():
    robot = make.robot()
    visitor = with_permissions("robots.view_robot", inside=robot.tenant)
    visitor.do(robot, "disable")

    shown = text_of(superuser().get(list_of(AuditEntry), outcome__exact="refused"))

    assert "Refused" in shown
    assert robot.name in shown


def test_what_a_page_does_is_written_down_with_where_it_came_from():
    robot = make.robot()
    visitor = superuser()

    visitor.client.post(page_of(robot, "drain"), headers={"User-Agent": "Mozilla/5.0", "X-Request-ID": "r-1"})

    entry = AuditEntry.objects.get(action="robot.drained")
    assert (entry.request_id, entry.agent, entry.address) == ("r-1", "Mozilla/5.0", "127.0.0.1")


def test_events_are_narrowed_by_subject_and_type():
    robot, other = make.robot(), make.robot()
    robots.drain_robot(robot, actor=make.SYSTEM)
    visitor = superuser()

    by_subject = visitor.get(list_of(Event), subject=str(robot.pk))
    by_type = visitor.get(list_of(Event), type__icontains="robot.created")

    assert {row.subject_id for row in by_subject.context["cl"].result_list} == {robot.pk}
    assert {row.subject_id for row in by_type.context["cl"].result_list} == {robot.pk, other.pk}


@pytest.mark.parametrize("model", [AuditEntry, Event])
def test_the_trail_can_only_be_read(model):
    page = holding("Administrator", make.tenant())
    make.robot(of=page.person.role_assignments.get().tenant)
    row = model.objects.filter(tenant_id=page.person.role_assignments.get().tenant_id).latest("pk")

    assert page.post(f"{list_of(model)}add/").status_code == 404
    assert page.post(page_of(row), {"reason": "x"}).status_code == 200
    assert model.objects.get(pk=row.pk).pk == row.pk


def test_a_secret_that_changed_shows_only_that_it_did():
    person = accounts.create_user("ann", actor=make.SYSTEM, password=make.PASSWORD)
    visitor = superuser()
    visitor.do(person, "password", password="another correct horse", again="another correct horse")

    entry = AuditEntry.objects.get(action="user.password_changed")

    assert "another correct horse" not in text_of(visitor.open(entry))


def test_the_history_button_shows_to_those_who_may_read_the_trail():
    robot = make.robot()
    reader = Visitor(make.user("robots.view_robot", "audit.view_auditentry", inside=robot.tenant))
    other = with_permissions("robots.view_robot", inside=robot.tenant)

    assert f"target={robot.pk}" in text_of(reader.open(robot))
    assert f"target={robot.pk}" not in text_of(other.open(robot))


def test_the_list_is_exported_as_it_is_narrowed_and_its_numbers_are_shown():
    robot = make.robot()
    tenant = robot.tenant
    robots.drain_robot(robot, actor=make.SYSTEM)
    exporter = Visitor(make.user("audit.view_auditentry", "audit.export_entry", inside=tenant))
    reader = Visitor(make.user("audit.view_auditentry", inside=tenant))
    address, numbers = list_of(AuditEntry), f"{list_of(AuditEntry)}statistics/"

    shown = text_of(exporter.get(address, target=str(robot.pk), since="all"))
    file = exporter.get(f"{address}export/csv/", target=str(robot.pk), since="all")
    table = b"".join(file.streaming_content).decode()

    assert f"export/csv/?target={robot.pk}" in shown
    assert "robot.drained" in table
    assert table.count(str(robot.pk)) == AuditEntry.objects.filter(target_id=robot.pk).count()
    assert AuditEntry.objects.filter(action="audit.exported", tenant_id=tenant.pk).count() == 1
    assert "export/csv" not in text_of(reader.get(address))
    assert reader.get(f"{address}export/csv/").status_code == 403
    assert exporter.get(f"{address}export/odd/").status_code == 404
    assert "robot.drained" in text_of(reader.get(numbers, days="1"))
    assert Visitor(make.user("robots.view_robot", inside=tenant)).get(numbers).status_code in (403, 404)
