"""People: their own page, their passwords and time zones, and what roles let them do."""

import ast
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts import services as accounts
from apps.accounts.admin.roles import GRANTABLE, permissions_by_name
from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.rbac import services as rbac
from apps.rbac.models import Role, RoleAssignment
from apps.tenancy import services as tenancy
from tests import make
from tests.admin import rows
from tests.admin.visitors import Visitor, holding, new, page_of, superuser, text_of

pytestmark = pytest.mark.django_db
ME = "/admin/accounts/user/me/"
OTHER = "another correct horse battery"
#: What only robots and the system ask for.
NOT_FOR_PEOPLE = {
    "console.add_roleheartbeat", "jobs.add_job", "jobs.change_plane", "jobs.claim_job", "jobs.report_execution",
    "jobs.sweep_execution", "queues.sweep_queueitem", "robots.report_robot", "jobs.delete_job",
    "jobs.delete_bulkchange", "queues.delete_itembulkchange", "retention.change_pruning", "triggers.delete_firing",
    "console.add_tick",
}  # fmt: skip


def person() -> Visitor:
    user = accounts.create_user("ann", actor=make.SYSTEM, password=make.PASSWORD)
    return Visitor(user)


def change(visitor: Visitor, **sent: str):
    return visitor.post(ME, {"form": "password", **sent})


def test_one_changes_ones_own_password_and_stays_signed_in():
    visitor = person()
    elsewhere = Visitor(visitor.person)

    response = change(visitor, current=make.PASSWORD, password=OTHER, again=OTHER)

    visitor.person.refresh_from_db()
    assert response.status_code == 302
    assert visitor.person.check_password(OTHER)
    assert visitor.get(ME).status_code == 200
    assert elsewhere.get(ME).status_code == 302
    assert AuditEntry.objects.filter(action="user.password_changed").count() == 1


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"current": "wrong", "password": OTHER, "again": OTHER}, "current"),
        ({"current": make.PASSWORD, "password": OTHER, "again": "different"}, "again"),
        ({"current": make.PASSWORD, "password": "short", "again": "short"}, "password"),
        ({"current": make.PASSWORD, "password": "password1234", "again": "password1234"}, "password"),
    ],
)
def test_a_password_that_will_not_do_is_refused_at_its_field(sent, field):
    visitor = person()

    response = change(visitor, **sent)

    visitor.person.refresh_from_db()
    assert field in response.context["forms"]["password"].errors
    assert visitor.person.check_password(make.PASSWORD)


def test_passwords_are_never_shown_again():
    response = change(person(), current="wrong-but-secret", password="short-secret", again="short-secret")

    assert "secret" not in text_of(response)


def test_the_page_of_django_for_passwords_leads_to_ones_own():
    response = person().get("/admin/password_change/")

    assert (response.status_code, response.url) == (302, ME)


def test_one_chooses_the_zone_that_times_are_shown_in():
    visitor = superuser()
    job = make.job()
    hour = job.created_at.hour

    visitor.post(ME, {"form": "profile", "time_zone": "Asia/Tokyo"})

    shown = text_of(visitor.open(job))
    assert "JST" in shown or "Asia/Tokyo" in shown
    assert f"{(hour + 9) % 24:02}:{job.created_at.minute:02}" in shown


def test_a_zone_that_does_not_exist_is_refused():
    response = person().post(ME, {"form": "profile", "time_zone": "Mars/Olympus"})

    assert "time_zone" in response.context["forms"]["profile"].errors


def test_a_zone_this_machine_does_not_know_any_more_is_read_as_utc():
    visitor = superuser()
    User.objects.filter(pk=visitor.person.pk).update(time_zone="Mars/Olympus")

    assert visitor.get("/admin/").status_code == 200


def test_ones_own_page_takes_no_permission_but_a_session():
    assert Visitor(make.user()).get(ME).status_code == 200
    assert Client().get(ME).status_code == 302


def test_a_new_user_can_sign_in_and_one_who_is_disabled_cannot():
    visitor = superuser()
    sent = {"kind": "person", "username": "Bob", "password": OTHER, "time_zone": "UTC", "is_staff": "on"}
    visitor.post(new(User), sent)
    bob = User.objects.get(username="bob")
    signed_in = Client()

    first = signed_in.post("/admin/login/", {"username": "bob", "password": OTHER})
    visitor.do(bob, "disable", reason="left")
    after = signed_in.get("/admin/")
    again = Client().post("/admin/login/", {"username": "bob", "password": OTHER})

    assert (first.status_code, first.url) == (302, "/admin/")
    assert after.status_code == 302
    assert again.status_code == 200


def test_a_password_set_by_an_administrator_ends_the_sessions_of_its_owner():
    ann = person()

    superuser().do(ann.person, "password", password=OTHER, again=OTHER)

    assert ann.get("/admin/").status_code == 302


@pytest.mark.parametrize("kind", ["person", "service"])
def test_what_a_new_user_needs_is_asked_for(kind):
    response = superuser().post(new(User), {"kind": kind, "time_zone": "UTC"})

    assert set(response.context["form"].errors) == ({"username"} if kind == "person" else {"name", "tenant"})


def test_a_role_lets_one_do_what_is_ticked():
    visitor = superuser()

    visitor.post(
        new(Role), {"name": "Clerk", "permissions_1": ["processes.run_process"], "permissions_2": ["jobs.view_job"]}
    )
    role = Role.objects.get(name="Clerk")
    shown = text_of(visitor.open(role))
    visitor.do(role, "edit", name="Clerk", permissions_2=["jobs.cancel_job"])

    assert "Run processes" in shown
    assert list(role.permissions.values_list("codename", flat=True)) == ["cancel_job"]


def test_the_form_of_a_role_has_its_permissions_ticked():
    role = rbac.create_role("Clerk", actor=make.SYSTEM, permissions=Permission.objects.filter(codename="run_process"))

    response = superuser().get(page_of(role, "edit"))

    assert response.context["form"].fields["permissions_1"].initial == ["processes.run_process"]


def test_nobody_hands_out_what_they_do_not_hold():
    place = make.tenant()
    visitor = Visitor(make.user("rbac.add_role", "rbac.view_role", inside=place))

    response = visitor.post(new(Role), {"name": "Spy", "tenant": place.pk, "permissions_2": ["jobs.view_job"]})

    assert response.status_code == 200
    assert "jobs.view_job" in text_of(response)
    assert not Role.objects.filter(name="Spy").exists()


def test_the_page_of_a_user_leads_to_giving_them_a_role_and_to_those_they_hold():
    person = make.user("jobs.view_job")
    visitor = superuser()

    shown = text_of(visitor.open(person))
    form = visitor.get(new(RoleAssignment), user=str(person.pk)).context["form"]

    assert f"{new(RoleAssignment)}?user={person.pk}" in shown
    assert page_of(person.role_assignments.get()) in shown
    assert form["user"].value() == str(person.pk)


def test_the_page_of_a_user_tells_of_no_folder_one_may_not_see():
    mine, shared = make.tenant("Mine"), make.tenant("Half mine")
    secret = tenancy.create_folder(shared, actor=make.SYSTEM, name="Mergers")
    person = make.user("jobs.view_job", inside=mine)
    rbac.assign_role(Role.objects.get(name="Viewer"), actor=make.SYSTEM, user=person, folder=secret)
    visitor = holding("Administrator", mine)
    rbac.assign_role(
        Role.objects.get(name="Viewer"), actor=make.SYSTEM, user=visitor.person, folder=make.folder(shared)
    )

    shown = text_of(visitor.open(person))

    assert "in Mine" in shown
    assert "Mergers" not in shown


def test_built_in_roles_have_no_form():
    role = Role.objects.get(name="Operator")

    shown = text_of(superuser().open(role))

    assert page_of(role, "edit") not in shown
    assert "Stop, cancel and kill jobs" in shown


def test_a_role_of_another_tenant_is_not_there():
    role = rows.role(make.tenant())

    assert holding("Administrator", make.tenant()).open(role).status_code == 404


def test_every_permission_that_is_asked_of_people_can_be_granted():
    asked = set()
    for path in Path("apps").glob("*/services*/**/*.py"):
        asked |= permissions_in(path)
    for path in Path("apps").glob("*/services.py"):
        asked |= permissions_in(path)
    granted = {name for group in GRANTABLE.values() for name in group}

    assert sorted(asked - granted - NOT_FOR_PEOPLE) == []


def permissions_in(path: Path) -> set[str]:
    """The permissions named in a module: texts of the form ``app.codename`` for an app of ours."""
    texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    verbs = "view|add|change|delete|run|cancel|retry|prioritise|upload|download|enrol|rotate|claim|report|sweep|seal"
    verbs += "|pause|take|requeue|review|fire|enable|lift"
    return {text for text in texts if isinstance(text, str) and re.fullmatch(rf"[a-z]+\.({verbs})_[a-z]+", text)}


def test_every_permission_that_can_be_granted_exists():
    named = [name for group in GRANTABLE.values() for name in group]

    assert sorted(permissions_by_name()) == sorted(named)
