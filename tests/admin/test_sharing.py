"""Sharing single rows: by a page, through the service, and taken away again."""

import pytest

from apps.accounts import services as accounts
from apps.accounts.admin import sharing
from apps.accounts.admin.roles import GRANTABLE
from apps.audit.models import AuditEntry
from apps.jobs.models import Job
from apps.packages.models import Package
from apps.processes.models import Process
from apps.queues.models import FileStore, Queue
from apps.rbac import services as rbac
from apps.robots.models import Machine, Robot
from tests import make
from tests.admin import rows
from tests.admin.visitors import Visitor, holding, list_of, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db

SHAREABLE = pytest.mark.parametrize(
    ("maker", "permission"),
    [
        pytest.param(rows.package, "packages.change_package", id=Package._meta.label),
        pytest.param(rows.process, "processes.run_process", id=Process._meta.label),
        pytest.param(rows.job, "jobs.cancel_job", id=Job._meta.label),
        pytest.param(rows.queue, "queues.pause_queue", id=Queue._meta.label),
        pytest.param(rows.file_store, "queues.change_filestore", id=FileStore._meta.label),
        pytest.param(rows.machine, "robots.enrol_machine", id=Machine._meta.label),
        pytest.param(rows.robot, "robots.change_robot", id=Robot._meta.label),
    ],
)


def test_what_can_be_shared_can_be_granted_by_roles_too_and_begins_with_seeing_it():
    granted = {name for group in GRANTABLE.values() for name in group}

    assert {name for names in sharing.SHAREABLE.values() for name in names} <= granted
    assert [next(iter(names)) for names in sharing.SHAREABLE.values()] == [
        "packages.view_package",
        "processes.view_process",
        "jobs.view_job",
        "queues.view_queue",
        "queues.view_filestore",
        "robots.view_machine",
        "robots.view_enrolmentkey",
        "robots.view_robot",
    ]


def view_of(row):
    return f"{row._meta.app_label}.view_{row._meta.model_name}"


def ticks(visitor, row):
    """The boxes of what can be taken away, by their texts."""
    form = visitor.get(page_of(row, "unshare")).context["form"]
    return {text: value for value, text in form.fields["shares"].choices}


@SHAREABLE
def test_a_row_is_shared_and_taken_away_by_its_page(maker, permission):
    row, guest, visitor = maker(make.tenant()), Visitor(make.user()), superuser()

    before = guest.open(row).status_code
    visitor.do(row, "share", user=guest.person.pk, permissions=[view_of(row), permission])
    during, shown = guest.open(row).status_code, text_of(visitor.open(row))
    visitor.do(row, "unshare", shares=list(ticks(visitor, row).values()))
    after = guest.open(row).status_code

    assert (before, during, after) == (404, 200, 404)
    assert "Shared with" in shown
    assert page_of(guest.person) in shown
    assert AuditEntry.objects.filter(action="object.shared", target_id=row.pk).count() == 2
    assert AuditEntry.objects.filter(action="object.unshared", target_id=row.pk).count() == 2


@SHAREABLE
def test_what_is_shared_is_allowed_and_nothing_beside_it(maker, permission):
    row, guest = maker(make.tenant()), Visitor(make.user())

    superuser().do(row, "share", user=guest.person.pk, permissions=[view_of(row), permission])

    held = {name for name in (permission, view_of(row)) if guest.person.has_perm(name, row)}
    assert held == {permission, view_of(row)}
    assert page_of(row, "delete") not in text_of(guest.open(row))
    assert page_of(row, "share") not in text_of(guest.open(row))


def test_to_see_it_is_ticked_at_first():
    form = superuser().get(page_of(make.process(), "share")).context["form"]

    assert form.fields["permissions"].initial == ["processes.view_process"]
    assert "processes.add_process" not in dict(form.fields["permissions"].choices)


def test_only_what_one_may_do_to_it_oneself_can_be_shared():
    process = make.process()
    visitor = with_permissions("processes.view_process", "rbac.add_roleassignment", inside=process.tenant)
    guest = make.user("jobs.view_job", inside=process.tenant)

    form = visitor.get(page_of(process, "share")).context["form"]
    response = visitor.do(process, "share", user=guest.pk, permissions=["processes.run_process"])

    assert dict(form.fields["permissions"].choices).keys() == {"processes.view_process"}
    assert "permissions" in response.context["form"].errors
    assert not guest.has_perm("processes.run_process", process)


def test_nobody_is_offered_people_they_may_not_see():
    mine, theirs = make.tenant(), make.tenant()
    process = rows.process(mine)
    own, foreign = rows.user(mine), rows.user(theirs)

    form = holding("Administrator", mine).get(page_of(process, "share")).context["form"]

    offered = {str(value) for value, _ in form.fields["user"].choices}
    assert str(own.pk) in offered
    assert str(foreign.pk) not in offered


def test_a_service_account_of_another_tenant_is_refused_at_its_field_and_nothing_is_shared():
    process = make.process()
    account = accounts.create_service_account(make.tenant(), actor=make.SYSTEM, name="Pipeline")

    response = superuser().do(process, "share", user=account.pk, permissions=["processes.view_process"])

    assert "user" in response.context["form"].errors
    assert not account.has_perm("processes.view_process", process)


def test_one_of_several_is_taken_away_and_the_rest_stays():
    process, guest, visitor = make.process(), make.user(), superuser()
    for permission in ("processes.view_process", "processes.run_process"):
        rbac.share_object(process, actor=make.SYSTEM, user=guest, permission=permission)

    visitor.do(process, "unshare", shares=[ticks(visitor, process)[f"{guest}: Run it"]])

    assert guest.has_perm("processes.view_process", process)
    assert not guest.has_perm("processes.run_process", process)


def test_what_nobody_shares_has_no_button_to_stop_it():
    process, visitor = make.process(), superuser()

    assert page_of(process, "unshare") not in text_of(visitor.open(process))
    assert page_of(process, "share") in text_of(visitor.open(process))


def test_with_whom_it_is_shared_is_told_to_those_who_may_know_it():
    process, guest = make.process(), make.user()
    rbac.share_object(process, actor=make.SYSTEM, user=guest, permission="processes.view_process")
    looker = with_permissions("processes.view_process", inside=process.tenant)

    assert "Shared with" in text_of(holding("Administrator", process.tenant).open(process))
    assert "Shared with" not in text_of(looker.open(process))
    assert str(guest) not in text_of(looker.open(process))


def test_the_page_of_a_user_shows_what_is_shared_with_them_as_far_as_one_may_know():
    mine, theirs = make.tenant(), make.tenant()
    near, far = rows.process(mine), rows.process(theirs)
    guest = make.user("jobs.view_job", inside=mine)
    for process in (near, far):
        rbac.share_object(process, actor=make.SYSTEM, user=guest, permission="processes.run_process")

    everything, limited = text_of(superuser().open(guest)), text_of(holding("Administrator", mine).open(guest))

    assert (page_of(near) in everything, page_of(far) in everything) == (True, True)
    assert (page_of(near) in limited, page_of(far) in limited) == (True, False)
    assert far.name not in limited


def test_who_may_run_one_process_only_is_told_so_after_running_it():
    process, guest = make.process(), Visitor(make.user())
    for permission in ("processes.view_process", "processes.run_process"):
        rbac.share_object(process, actor=make.SYSTEM, user=guest.person, permission=permission)

    response = guest.client.post(page_of(process, "run"), {}, follow=True)

    assert response.status_code == 200
    assert response.request["PATH_INFO"] == page_of(process)
    assert "The job is in line." in text_of(response)
    assert Job.objects.filter(process=process).count() == 1


def test_the_list_of_who_shares_one_row_holds_that_row_alone():
    process, other, guest = make.process(), make.process(), Visitor(make.user())
    superuser().do(process, "share", user=guest.person.pk, permissions=["processes.view_process"])

    listed = text_of(guest.get(list_of(Process)))

    assert page_of(process) in listed
    assert page_of(other) not in listed
