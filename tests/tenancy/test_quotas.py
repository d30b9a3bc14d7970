"""The most that a tenant may have, held to by many at once, and what a suspended one may not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.robots import services as robots
from apps.robots.models import Robot
from apps.tenancy import services as tenancy
from apps.tenancy.models import QuotaName
from apps.tenancy.services import QuotaExceeded
from apps.triggers import services as triggers
from apps.triggers.models import Firing
from tests import api, make
from tests.admin.visitors import superuser, text_of

SYSTEM = make.SYSTEM


def limit(tenant, **quotas):
    tenancy.set_quotas(tenant, actor=SYSTEM, quotas=quotas)


def told(tenant):
    found = Event.objects.filter(type="tenant.quota_reached", tenant_id=tenant.pk).order_by("seq")
    return [(one.data["quota"], one.data["percent"]) for one in found]


@pytest.mark.django_db
def test_who_goes_beyond_is_told_of_what_how_much_and_when_there_is_room():
    process = make.process()
    tenant, caller = process.tenant, api.root()
    assert caller.call("PUT", f"tenants/{tenant.pk}/quotas", {"jobs_per_hour": 5}).status_code == 200
    for _ in range(4):
        make.job(process)
    assert told(tenant) == [("jobs_per_hour", 80)]

    bulk = caller.post("jobs/bulk", {"process": process.pk, "jobs": [{}, {}]})
    assert bulk.status_code == 409
    answer = bulk.json()
    assert {key: answer[key] for key in ("code", "quota", "limit", "used")} == {
        "code": "quota_exceeded", "quota": "jobs_per_hour", "limit": 5, "used": 4,
    }  # fmt: skip
    assert timezone.now() < datetime.fromisoformat(answer["frees_at"]) <= timezone.now() + timedelta(hours=1)
    assert Job.objects.filter(process=process).count() == 4
    assert caller.post("jobs", {"process": process.pk}).status_code == 201
    assert caller.post("jobs", {"process": process.pk}).status_code == 409
    assert told(tenant) == [("jobs_per_hour", 80), ("jobs_per_hour", 100)]

    shown = {one["name"]: one for one in caller.get(f"tenants/{tenant.pk}/quotas").json()["quotas"]}
    assert (shown["jobs_per_hour"]["used"], shown["jobs_per_hour"]["percent"]) == (5, 100)
    assert shown["jobs_per_hour"]["set_by"] == f"person {caller.person.username}"
    assert shown["robots"]["limit"] is None
    assert "5 of 5" in text_of(superuser().open(tenant))
    assert AuditEntry.objects.filter(action="tenant.quotas_set", target_id=tenant.pk).count() == 1


@pytest.mark.django_db
def test_a_trigger_that_hits_it_skips_and_says_why_and_a_robot_is_refused():
    process = make.process()
    limit(process.tenant, jobs_per_hour=1, robots=1)
    make.job(process)
    trigger = make.trigger(process)
    with pytest.raises(QuotaExceeded):
        triggers.fire_trigger(trigger, actor=SYSTEM)
    triggers.fire_due_triggers(actor=SYSTEM, at=trigger.next_fire_at + timedelta(seconds=1))

    firing = Firing.objects.get(trigger=trigger)
    assert (firing.status, firing.code, firing.jobs_made) == ("skipped", "quota_exceeded", 0)
    assert "1 of at most 1 jobs per hour" in firing.reason

    robot = make.robot(of=process.tenant)
    with pytest.raises(QuotaExceeded):
        make.robot(robot.machine)
    robots.delete_robot(robot, actor=SYSTEM)
    other = make.robot(robot.machine)
    with pytest.raises(QuotaExceeded):
        robots.restore_robot(robot, actor=SYSTEM)
    limit(process.tenant, robots=None)
    robots.restore_robot(robot, actor=SYSTEM)
    assert Robot.objects.alive().filter(machine=other.machine).count() == 2


@pytest.mark.django_db
def test_nobody_raises_their_own():
    tenant = make.tenant()
    own = api.Caller(make.user("tenancy.view_tenant", "tenancy.change_tenant", inside=tenant))

    assert own.get(f"tenants/{tenant.pk}/quotas").status_code == 200
    assert own.call("PUT", f"tenants/{tenant.pk}/quotas", {"robots": 9}).status_code == 403
    assert api.root().call("PUT", f"tenants/{tenant.pk}/quotas", {"robots": -1}).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_go_beyond_it():
    process = make.process()
    limit(process.tenant, jobs_per_hour=7)

    def start(_):
        try:
            return bool(jobs.create_job(process, actor=SYSTEM, wanted=jobs.Wanted(parameters={})))
        except QuotaExceeded:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(start, range(24)))

    assert sum(made) == Job.objects.filter(process=process).count() == 7


@pytest.mark.django_db
def test_without_a_quota_a_job_costs_one_question_more_and_with_one_four(django_assert_num_queries):
    process = make.process()
    with django_assert_num_queries(1):
        tenancy.stay_within(process.tenant_id, name=QuotaName.JOBS_PER_HOUR)
    limit(process.tenant, jobs_per_hour=100)
    with django_assert_num_queries(4):
        tenancy.stay_within(process.tenant_id, name=QuotaName.JOBS_PER_HOUR)


@pytest.mark.django_db
def test_e12_in_a_suspended_tenant_robots_are_refused_and_staff_may_read():
    process = make.process()
    tenant = process.tenant
    queue = make.queue(process.folder)
    make.item(queue)
    trigger = make.trigger(process)
    robot, token = make.robot_with_token(of=tenant)
    machine_key = robots.replace_key(make.machine(tenant), actor=SYSTEM)
    seen = ("processes.view_process", "queues.view_queue", "queues.view_queueitem", "queues.take_queueitem")
    staff = make.user(*seen, "processes.run_process", inside=tenant)
    person, program = api.Caller(staff), api.Caller(make.service_account(tenant, *seen), key_in=tenant)
    tenancy.suspend_tenant(tenant, actor=SYSTEM, reason="unpaid")

    assert AuditEntry.objects.get(action="tenant.suspended", target_id=tenant.pk).reason == "unpaid"
    machine = Client(headers={"X-Robot-Token": token})
    session = machine.post("/api/v1/runner/sessions", {"instance_id": str(robot.pk)}, "application/json")
    assert (session.status_code, session.json()["code"]) == (403, "tenant_suspended")
    with pytest.raises(Exception, match="suspended"):
        robots.machine_of_key(machine_key, actor=SYSTEM)
    for caller in (person, program):
        assert caller.get(f"processes/{process.pk}").status_code == 200
        assert caller.get("queue-items", {"queue": str(queue.pk)}).status_code == 200
        refused = caller.post(f"queues/{queue.pk}/take", {})
        assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    assert person.post("jobs", {"process": process.pk}).json()["code"] == "tenant_suspended"
    with pytest.raises(triggers.TriggersHeld, match="suspended"):
        triggers.fire_trigger(trigger, actor=SYSTEM)

    tenancy.resume_tenant(tenant, actor=SYSTEM)
    assert person.post(f"queues/{queue.pk}/take", {}).status_code == 200
