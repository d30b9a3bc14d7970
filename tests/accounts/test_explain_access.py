"""Why somebody may or may not: the same answer as the question itself, with its reasons, and no word too much."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts import services as accounts
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed, NotFound
from apps.rbac import services as rbac
from apps.rbac.models import Role
from apps.tenancy import services as tenancy
from tests import api, make
from tests.admin.visitors import Visitor, holding, page_of, superuser, text_of

pytestmark = pytest.mark.django_db
SEE, CANCEL = "jobs.view_job", "jobs.cancel_job"


@pytest.fixture
def tenant():
    return make.tenant()


@pytest.fixture
def job(tenant):
    inner = tenancy.create_folder(tenant, actor=make.SYSTEM, name="Payroll")
    return make.job(make.process(inner))


def ask(asker, user, row, permission=""):
    found = api.Caller(asker).get(
        "access/explain", {"user": str(user.pk), "object": f"job:{row.pk}", "permission": permission}
    )
    return found.status_code, {one["permission"]: one for one in found.json().get("answers", [])}


def boss_of(tenant):
    user = make.user()
    rbac.assign_role(Role.objects.get(name="Administrator"), actor=make.SYSTEM, user=user, tenant=tenant)
    return user


def test_every_way_to_a_right_is_told_and_agrees_with_the_question(job, tenant):
    boss, user = boss_of(tenant), make.user(SEE, inside=job.folder)
    group = rbac.create_group("Night shift", actor=make.SYSTEM, tenant=tenant)
    rbac.add_member(group, actor=make.SYSTEM, user=user)
    end = timezone.now() + timedelta(hours=1)
    rbac.assign_role(Role.objects.get(name="Viewer"), actor=make.SYSTEM, group=group, tenant=tenant, expires_at=end)
    rbac.share_object(job, actor=make.SYSTEM, user=user, permission=SEE)
    rbac.share_object(job, actor=make.SYSTEM, group=group, permission=SEE)

    status, told = ask(boss, user, job)

    assert status == 200
    assert {name: one["allowed"] for name, one in told.items()} == {
        name: rbac.allows(Actor.person(user), name, job) for name in told
    }
    grants = [(one["kind"], (one["group"] or {}).get("name"), one["scope"]) for one in told[SEE]["grants"]]
    assert sorted(grants, key=str) == sorted(
        [
            ("role", "Night shift", f"in {tenant}"),
            ("role", None, f"in {tenant} / Payroll"),
            ("object", None, ""),
            ("object", "Night shift", ""),
        ],
        key=str,
    )
    assert any(one["assignment"] and one["assignment"]["expires_at"] for one in told[SEE]["grants"])
    missing = told[CANCEL]
    assert (missing["allowed"], missing["grants"]) == (False, [])
    assert CANCEL in missing["missing"]
    assert [one["id"] for one in missing["could_grant"]] == [str(boss.pk)]


def test_superusers_may_and_who_is_disabled_may_not(job, tenant):
    chief, gone = make.user(superuser=True), make.user(SEE, inside=tenant)
    accounts.disable_user(gone, actor=make.SYSTEM)

    root = make.user(superuser=True)
    assert [one["kind"] for one in ask(root, chief, job, CANCEL)[1][CANCEL]["grants"]] == ["superuser"]
    assert "disabled" in ask(root, gone, job, SEE)[1][SEE]["missing"]


def test_it_takes_a_right_to_ask_about_others_and_tells_nothing_of_what_one_may_not_see(job, tenant):
    user, looker, stranger = make.user(SEE, inside=tenant), make.user(SEE, inside=tenant), boss_of(make.tenant())
    asker = Actor.person(looker)

    assert ask(looker, looker, job, SEE)[1][SEE]["allowed"] is True
    assert ask(looker, user, job)[0] == 404  # Of people, one has to see them.
    with pytest.raises(NotAllowed, match="view roleassignment"):
        rbac.explain(user, actor=asker, obj=job, permissions=[SEE])
    with pytest.raises(NotFound, match="no such job"):
        accounts.explain_access("", actor=Actor.person(stranger), named=f"job:{job.pk}")
    with pytest.raises(Invalid, match="Kinds are"):
        accounts.explain_access("", actor=asker, named="nonsense")
    with pytest.raises(Invalid, match="permission"):
        accounts.explain_access("", actor=asker, named=f"job:{job.pk}", only="jobs.claim_job")
    assert [one.is_allowed for one in accounts.explain_access("", actor=asker).answers].count(True) == 0


def test_what_is_given_above_where_one_may_look_is_told_without_its_particulars(job, tenant):
    user = make.user(SEE)
    keeper = Actor.person(make.user("rbac.view_roleassignment", SEE, inside=job.folder))

    [answer] = rbac.explain(user, actor=keeper, obj=job, permissions=[SEE])

    assert [(one.kind, one.assignment, one.is_hidden) for one in answer.grants] == [("role", None, True)]


def test_the_page_is_reached_from_users_and_rows_and_answers(job, tenant):
    user, boss = make.user(SEE, inside=tenant), holding("Administrator", tenant)
    there = f"/admin/explain/?object=job:{job.pk}"

    assert there in text_of(boss.open(job))
    assert f"/admin/explain/?user={user.pk}" in text_of(boss.open(user))
    assert "/admin/explain/" not in text_of(Visitor(user).open(job))
    shown = text_of(boss.get("/admin/explain/", user=str(user.pk), object=f"http://x{page_of(job)}"))
    assert f"in {tenant}" in shown
    assert "Stop, cancel and kill jobs" in shown
    assert boss.person.username in shown
    foreign = text_of(holding("Administrator", make.tenant()).get("/admin/explain/", user="x", object=f"job:{job.pk}"))
    assert str(job.process) not in foreign
    assert "no such job" in text_of(superuser().get("/admin/explain/", user=str(user.pk), object=f"job:{user.pk}"))
