"""Groups: what they give to whoever is in them, and who may let others in."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts import services as accounts
from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.jobs.models import Job
from apps.rbac import services as rbac
from apps.rbac.models import GroupMember, Role, RoleAssignment
from apps.tenancy.models import Tenant
from tests import api, make
from tests.rbac.test_roles import builtin, keeper, named

pytestmark = pytest.mark.django_db
SEE = "jobs.view_job"


@pytest.fixture
def tenant():
    return make.tenant()


@pytest.fixture
def group(tenant):
    return rbac.create_group(" Finance ", actor=make.SYSTEM, tenant=tenant, claims=["finance", " finance ", ""])


def join(group, user=None):
    user = user or make.user()
    rbac.add_member(group, actor=make.SYSTEM, user=user)
    return user


def test_what_a_group_holds_its_members_hold_everywhere_it_is_asked_and_lose_when_they_leave(
    group, tenant, django_assert_num_queries
):
    role = rbac.create_role("Looks", actor=make.SYSTEM, permissions=named(SEE, "tenancy.view_folder"))
    job, other = make.job(make.process(make.folder(tenant))), make.job()
    outside = make.user()
    user = join(group)
    rbac.assign_role(role, actor=make.SYSTEM, group=group, tenant=tenant)
    actor = Actor.person(user)

    with django_assert_num_queries(1):
        assert list(rbac.visible(Job.objects.all(), actor, SEE)) == [job]
    with django_assert_num_queries(1):
        assert rbac.allows(actor, SEE, job)
    assert (rbac.allows(actor, SEE, other), rbac.allows(actor, SEE), user.has_perm(SEE)) == (False, True, True)
    assert rbac.reach(actor, SEE).tenants == (tenant.pk,)
    assert set(Tenant.objects.visible_to(actor)) == {tenant}
    assert {one.codename for one in rbac.permissions_held(actor)} == {"view_job", "view_folder"}
    assert not rbac.allows(Actor.person(outside), SEE, job)

    rbac.remove_member(GroupMember.objects.get(user=user), actor=make.SYSTEM)
    assert not rbac.allows(actor, SEE, job)
    assert list(rbac.visible(Job.objects.all(), actor, SEE)) == []
    told = AuditEntry.objects.about(group).values_list("action", flat=True)
    assert set(told) == {"group.created", "group.member_added", "group.member_removed", "role.assigned"}


def test_what_is_shared_with_a_group_is_shared_with_its_members(group, tenant, django_assert_num_queries):
    job, other = make.job(make.process(make.folder(tenant))), make.job(make.process(make.folder(tenant)))
    actor = Actor.person(join(group))
    rbac.share_object(job, actor=make.SYSTEM, group=group, permission=SEE)

    with django_assert_num_queries(1):
        assert list(rbac.visible(Job.objects.all(), actor, SEE)) == [job]
    assert (rbac.allows(actor, SEE, job), rbac.allows(actor, SEE, other)) == (True, False)
    assert rbac.reach(actor, SEE).objects == (job.pk,)
    with pytest.raises(Conflict, match="still holds"):
        rbac.delete_group(group, actor=make.SYSTEM)

    rbac.unshare_object(job, actor=make.SYSTEM, group=group, permission=SEE)
    assert not rbac.allows(actor, SEE, job)
    rbac.delete_group(group, actor=make.SYSTEM)
    assert AuditEntry.objects.filter(action="object.shared", target_id=job.pk).get().after["group"] == "Finance"


def test_e5_nobody_lets_others_or_themselves_into_a_group_that_gives_more_than_they_could_give(group, tenant):
    rbac.assign_role(builtin("Operator"), actor=make.SYSTEM, group=group, tenant=tenant)
    lesser = keeper("rbac.change_group", SEE, inside=tenant)
    higher = Actor.person(make.user())
    rbac.assign_role(builtin("Administrator"), actor=make.SYSTEM, user=higher.user, tenant=tenant)

    for user in (make.user(), lesser.user):
        with pytest.raises(NotAllowed, match="yourself"):
            rbac.add_member(group, actor=lesser, user=user)
    with pytest.raises(NotAllowed, match="yourself"):
        rbac.update_group(group, actor=lesser, name="x", description="", claims=["everybody"])
    rbac.update_group(group, actor=lesser, name="Ledger", description="", claims=[])
    assert rbac.add_member(group, actor=higher, user=make.user())
    rbac.assign_role(builtin("Viewer"), actor=make.SYSTEM, group=rbac.create_group("All", actor=make.SYSTEM))
    with pytest.raises(NotAllowed):
        rbac.add_member(rbac.visible_groups(make.SYSTEM).get(name="All"), actor=higher, user=make.user())


def test_e5_what_is_shared_with_a_group_counts_as_something_that_it_gives(group, tenant):
    job = make.job(make.process(make.folder(tenant)))
    rbac.share_object(job, actor=make.SYSTEM, group=group, permission="jobs.cancel_job")

    with pytest.raises(NotAllowed, match=r"jobs\.cancel_job"):
        rbac.add_member(group, actor=keeper("rbac.change_group", inside=tenant), user=make.user())


def test_a_group_of_one_tenant_stays_there(group, tenant):
    stranger = accounts.create_service_account(make.tenant(), actor=make.SYSTEM, name="sap")

    with pytest.raises(Invalid, match="own tenant"):
        rbac.assign_role(builtin("Viewer"), actor=make.SYSTEM, group=group, tenant=make.tenant())
    with pytest.raises(Invalid, match="own tenant"):
        rbac.assign_role(builtin("Viewer"), actor=make.SYSTEM, group=group)
    with pytest.raises(Invalid, match="own tenant"):
        rbac.share_object(make.job(), actor=make.SYSTEM, group=group, permission=SEE)
    with pytest.raises(Invalid, match="own tenant"):
        rbac.add_member(group, actor=make.SYSTEM, user=stranger)
    with pytest.raises(Invalid, match="own tenant"):
        rbac.add_member(rbac.create_group("All", actor=make.SYSTEM), actor=make.SYSTEM, user=stranger)
    with pytest.raises(Invalid, match="either a user or a group"):
        rbac.assign_role(builtin("Viewer"), actor=make.SYSTEM, group=group, user=make.user(), tenant=tenant)
    with pytest.raises(Conflict):
        rbac.create_group("Finance", actor=make.SYSTEM, tenant=tenant)
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleAssignment.objects.create(role=builtin("Viewer"), tenant=tenant)


def test_a_sign_in_puts_people_into_groups_and_out_again_and_leaves_alone_what_was_done_by_hand(group, tenant):
    by_hand = rbac.create_group("By hand", actor=make.SYSTEM)
    user, system = join(by_hand), make.SYSTEM

    assert rbac.sync_groups_from_claims(user, actor=system, claims=["finance", "unknown", 7, "x" * 300]) == [group]
    assert rbac.sync_groups_from_claims(user, actor=system, claims=["finance"]) == [group]
    assert set(user.group_memberships.values_list("group", "is_claimed")) == {(group.pk, True), (by_hand.pk, False)}
    assert rbac.sync_groups_from_claims(user, actor=system, claims=[]) == []
    assert [one.group for one in user.group_memberships.all()] == [by_hand]
    account = accounts.create_service_account(tenant, actor=system, name="sap")
    assert rbac.sync_groups_from_claims(account, actor=system, claims=["finance"]) == []
    entries = AuditEntry.objects.filter(action__startswith="group.member", after__by="sign-in")
    assert entries.count() == 1
    with pytest.raises(NotAllowed):
        rbac.sync_groups_from_claims(user, actor=keeper("rbac.change_group", inside=tenant), claims=[])


def test_groups_are_kept_over_the_api_by_those_who_may(group, tenant):
    root, user = api.root(), make.user()
    member = api.Caller(join(group))

    made = root.post("access/groups", {"name": "Night shift", "tenant": str(tenant.pk), "claims": ["night"]})
    into = root.post("access/group-members", {"group": made.json()["id"], "user": str(user.pk)})
    given = root.post(
        "role-assignments",
        {"role": str(builtin("Viewer").pk), "group": made.json()["id"], "tenant": str(tenant.pk)},
    )
    listed = root.get("access/group-members", {"user": str(user.pk)}).json()["items"]
    out = root.call("DELETE", f"access/group-members/{into.json()['id']}")

    assert (made.status_code, into.status_code, given.status_code, out.status_code) == (201, 201, 201, 204)
    assert given.json()["group"] == {"id": made.json()["id"], "name": "Night shift"}
    assert given.json()["user"] is None
    assert [one["group"]["name"] for one in listed] == ["Night shift"]
    assert [one["name"] for one in member.get("access/groups").json()["items"]] == ["Finance"]
    assert member.call("PATCH", f"access/groups/{group.pk}", {"name": "x"}).status_code == 403
    assert member.post("access/group-members", {"group": made.json()["id"], "user": str(user.pk)}).status_code == 400


def ended(assignment):
    """Let an assignment have ended a moment ago."""
    RoleAssignment.objects.filter(pk=assignment.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_a_role_ends_by_the_clock_of_the_database_without_anybody_clearing_it_away(tenant):
    job, user = make.job(make.process(make.folder(tenant))), make.user()
    group = rbac.create_group("Elevated", actor=make.SYSTEM)
    join(group, user)
    soon = timezone.now() + timedelta(hours=1)
    actor = Actor.person(user)
    held = rbac.assign_role(builtin("Operator"), actor=make.SYSTEM, group=group, tenant=tenant, expires_at=soon)

    assert rbac.allows(actor, "jobs.cancel_job", job)
    ended(held)

    assert not rbac.allows(actor, "jobs.cancel_job", job)
    assert not rbac.allows(actor, "jobs.cancel_job")
    assert list(rbac.visible(Job.objects.all(), actor, SEE)) == []
    assert (rbac.reach(actor, SEE).tenants, list(Tenant.objects.visible_to(actor))) == ((), [])
    assert not rbac.permissions_held(actor).exists()
    assert rbac.end_expired_assignments(actor=make.SYSTEM, limit=5) == 1
    assert rbac.end_expired_assignments(actor=make.SYSTEM, limit=5) == 0
    assert AuditEntry.objects.about(group).get(action="role.expired").before["role"] == "Operator"


def test_giving_a_role_again_moves_its_end_and_sooner_is_taking_away(tenant):
    user, viewer = make.user(), builtin("Viewer")
    soon, later = (timezone.now() + timedelta(hours=hours) for hours in (1, 2))
    helper = Actor.person(make.user(*{name_of(one) for one in viewer.permissions.all()}, "rbac.add_roleassignment"))
    give = {"user": user, "tenant": tenant}

    with pytest.raises(Invalid, match="passed already"):
        rbac.assign_role(viewer, actor=make.SYSTEM, expires_at=timezone.now(), **give)
    first = rbac.assign_role(viewer, actor=make.SYSTEM, expires_at=soon, **give)
    moved = rbac.assign_role(viewer, actor=helper, expires_at=later, **give)
    assert (moved.pk, moved.expires_at) == (first.pk, later)
    assert rbac.assign_role(viewer, actor=helper, **give).expires_at is None
    with pytest.raises(NotAllowed, match="delete roleassignment"):
        rbac.assign_role(viewer, actor=helper, expires_at=soon, **give)
    assert AuditEntry.objects.about(user).filter(action="role.assigned").count() == 3


def test_e5_who_holds_everything_for_an_hour_makes_nothing_of_it_last(tenant):
    user, job = make.user(), make.job(make.process(make.folder(tenant)))
    end = timezone.now() + timedelta(hours=1)
    rbac.assign_role(builtin("Administrator"), actor=make.SYSTEM, user=user, tenant=tenant, expires_at=end)
    actor, group = Actor.person(user), rbac.create_group("All", actor=make.SYSTEM, tenant=tenant)
    own = rbac.create_role("Own", actor=make.SYSTEM, tenant=tenant)
    rbac.assign_role(builtin("Administrator"), actor=make.SYSTEM, group=group, tenant=tenant)
    more = end + timedelta(seconds=1)

    for wanted in ({}, {"expires_at": more}):
        for role in (builtin("Administrator"), builtin("Viewer")):
            with pytest.raises(NotAllowed):
                rbac.assign_role(role, actor=actor, user=user, tenant=tenant, **wanted)
    with pytest.raises(NotAllowed, match="so long"):
        rbac.share_object(job, actor=actor, user=user, permission="jobs.cancel_job")
    with pytest.raises(NotAllowed, match="as long"):
        rbac.add_member(group, actor=actor, user=user)
    with pytest.raises(NotAllowed, match="so long"):
        rbac.update_role(own, actor=actor, name="Own", description="", permissions=named(SEE))
    assert rbac.assign_role(builtin("Viewer"), actor=actor, user=make.user(), tenant=tenant, expires_at=end)


def name_of(permission):
    return f"{permission.content_type.app_label}.{permission.codename}"


def test_a_role_with_an_end_is_given_over_the_api(tenant):
    sent = {"role": str(Role.objects.get(name="Viewer").pk), "user": str(make.user().pk), "tenant": str(tenant.pk)}

    made = api.root().post("role-assignments", {**sent, "expires_at": "2199-01-01T00:00:00Z"})
    late = api.root().post("role-assignments", {**sent, "expires_at": "2020-01-01T00:00:00Z"})

    assert (made.status_code, made.json()["expires_at"]) == (201, "2199-01-01T00:00:00Z")
    assert api.fields_refused(late) == {"expires_at"}
