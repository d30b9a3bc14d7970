"""May this actor do that to this, and which of these may it see?"""

import pytest

from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.jobs.models import Execution, Job
from apps.rbac import services as rbac
from apps.rbac.models import Role
from apps.robots.models import Robot
from apps.tenancy import services as tenancy
from apps.tenancy.models import Folder, Tenant
from tests import make

pytestmark = pytest.mark.django_db

SEE = "jobs.view_job"


def person(*permissions, inside=None, **facts):
    return Actor.person(make.user(*permissions, inside=inside), **facts)


@pytest.fixture
def tenant():
    return make.tenant()


@pytest.fixture
def finance(tenant):
    return tenancy.create_folder(tenant, actor=make.SYSTEM, name="Finance")


@pytest.fixture
def payroll(finance):
    return tenancy.create_folder(finance, actor=make.SYSTEM, name="Payroll")


@pytest.fixture
def job(payroll):
    return make.job(make.process(payroll))


def sees(actor, permission=SEE, model=Job):
    return set(rbac.visible(model.objects.all(), actor, permission))


def test_the_system_may_everything(job):
    assert rbac.allows(make.SYSTEM, "any.thing", job)
    assert sees(make.SYSTEM) == {job}


def test_a_superuser_may_everything(job):
    boss = Actor.person(make.user(superuser=True))

    assert rbac.allows(boss, "any.thing", job)
    assert rbac.allows(boss, "any.thing", rbac.EVERYWHERE)
    assert sees(boss) == {job}


def test_who_holds_nothing_may_nothing(job):
    nobody = person()

    assert not rbac.allows(nobody, SEE, job)
    assert not rbac.allows(nobody, SEE)
    assert sees(nobody) == set()


@pytest.mark.parametrize("where", ["everywhere", "tenant", "finance", "payroll"])
def test_a_role_reaches_down_from_where_it_is_held(where, tenant, finance, payroll, job):
    places = {"everywhere": None, "tenant": tenant, "finance": finance, "payroll": payroll}
    make.job()

    actor = person(SEE, inside=places[where])

    assert rbac.allows(actor, SEE, job)
    assert job in sees(actor)
    assert rbac.allows(actor, SEE)


def test_a_role_does_not_reach_up_or_sideways(tenant, finance, payroll, job):
    beside = tenancy.create_folder(tenant, actor=make.SYSTEM, name="Beside")
    above = make.job(make.process(finance))

    assert not rbac.allows(person(SEE, inside=payroll), SEE, above)
    assert sees(person(SEE, inside=payroll)) == {job}
    assert sees(person(SEE, inside=beside)) == set()


def test_a_role_in_one_tenant_is_none_in_another(job):
    stranger = person(SEE, inside=make.tenant())

    assert not rbac.allows(stranger, SEE, job)
    assert sees(stranger) == set()


def test_one_permission_is_not_another(job):
    viewer = person(SEE, inside=job.tenant)

    assert not rbac.allows(viewer, "jobs.cancel_job", job)
    assert sees(viewer, "jobs.cancel_job") == set()


def test_a_role_that_grants_everything_grants_everything_within_its_scope(job):
    user = make.user()
    rbac.assign_role(Role.objects.get(name="Administrator"), actor=make.SYSTEM, user=user, tenant=job.tenant)
    administrator = Actor.person(user)

    assert rbac.allows(administrator, "jobs.cancel_job", job)
    assert not rbac.allows(administrator, "jobs.cancel_job", make.job())
    assert not rbac.allows(administrator, "tenancy.add_tenant", rbac.EVERYWHERE)


def test_a_shared_object_is_seen_by_whom_it_is_shared_with(job, system):
    user = make.user()
    rbac.share_object(job, actor=system, user=user, permission=SEE)
    friend = Actor.person(user)

    assert rbac.allows(friend, SEE, job)
    assert not rbac.allows(friend, "jobs.cancel_job", job)
    assert sees(friend) == {job}

    rbac.unshare_object(job, actor=system, user=user, permission=SEE)
    assert sees(friend) == set()


def test_a_credential_bound_to_a_tenant_never_reaches_beyond_it(job):
    user = make.user(superuser=True)
    here, elsewhere = Actor.person(user, tenant_id=job.tenant_id), Actor.person(user, tenant_id=make.tenant().pk)

    assert rbac.allows(here, SEE, job)
    assert not rbac.allows(elsewhere, SEE, job)
    assert (sees(here), sees(elsewhere)) == ({job}, set())
    assert not rbac.allows(here, "tenancy.add_tenant", rbac.EVERYWHERE)


def test_somebody_disabled_may_nothing(job):
    user = make.user(SEE, inside=job.tenant)
    actor = Actor.person(user)
    user.is_active = False

    assert not rbac.allows(actor, SEE, job)
    assert sees(actor) == set()


def test_a_robot_may_report_about_what_it_holds_and_nothing_else():
    execution = make.running_job()
    robot, stranger = make.acting(execution.robot), make.acting(make.robot(of=execution.tenant))

    assert rbac.allows(robot, "jobs.report_execution", execution)
    assert not rbac.allows(stranger, "jobs.report_execution", execution)
    assert not rbac.allows(robot, "jobs.cancel_job", execution.job)
    assert not rbac.allows(robot, "robots.change_robot", execution.robot)
    assert sees(robot, model=Execution) == set()


def test_robots_are_seen_by_the_folders_they_work_for(finance):
    robot = make.robot(of=finance.tenant, folders=[finance])
    make.robot(of=finance.tenant)

    assert sees(person("robots.view_robot", inside=finance), "robots.view_robot", Robot) == {robot}


def test_folders_are_seen_from_where_a_role_is_held_downwards(tenant, finance, payroll):
    assert sees(person("tenancy.view_folder", inside=finance), "tenancy.view_folder", Folder) == {finance, payroll}


def test_a_tenant_is_seen_by_whoever_may_do_anything_in_it(payroll):
    make.tenant()

    assert set(Tenant.objects.visible_to(person(SEE, inside=payroll))) == {payroll.tenant}
    assert set(Tenant.objects.visible_to(person())) == set()


def test_a_refusal_says_what_it_takes_and_carries_what_was_asked(job):
    actor = person(SEE, inside=job.tenant)

    with pytest.raises(NotAllowed, match=r"takes the permission jobs\.cancel_job") as refusal:
        rbac.require(actor, "jobs.cancel_job", job)

    assert (refusal.value.permission, refusal.value.target, refusal.value.actor) == ("jobs.cancel_job", job, actor)


def test_a_suspended_tenant_can_be_looked_at_and_not_changed(job, system):
    actor = person(SEE, "jobs.cancel_job", inside=job.tenant)
    tenancy.suspend_tenant(job.tenant, actor=system)

    rbac.require(actor, SEE, job)
    with pytest.raises(NotAllowed) as refusal:
        rbac.require(actor, "jobs.cancel_job", job)
    assert refusal.value.code == "tenant_suspended"


def test_django_s_own_question_gets_the_same_answer(job):
    user = make.user(SEE, inside=job.tenant)

    assert user.has_perm(SEE, job)
    assert user.has_perm(SEE)
    assert user.has_module_perms("jobs")
    assert not user.has_perm("jobs.cancel_job", job)
    assert not user.has_module_perms("robots")


def test_what_is_visible_is_one_query(job, django_assert_num_queries):
    actor = person(SEE, inside=job.folder)

    with django_assert_num_queries(1):
        assert len(list(Job.objects.visible_to(actor))) == 1
