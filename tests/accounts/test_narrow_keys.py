"""Keys that reach less than their users: by scope, folder and network; their rotation, and where they are used."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import ApiToken, ApiTokenUse
from apps.audit.models import AuditEntry
from apps.core import bulk
from apps.core.actors import Actor, Bounds
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.jobs.models import Job
from apps.rbac import services as rbac
from apps.robots.models import Robot
from apps.tenancy import services as tenancy
from apps.tenancy.models import Folder, Tenant
from tests import api, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make.tenant()


def key_for(user, tenant, actor=make.SYSTEM, **facts):
    return services.create_api_key(user, actor=actor, tenant=tenant, name="ci", **facts)


def actor_of(key):
    return Actor.person(key.user, tenant_id=key.tenant_id, bounds=key.bounds())


def caller(text, **headers):
    return Client(headers={"Authorization": f"Bearer {text}", **headers})


def test_scopes_take_away_and_never_give(tenant):
    job = make.job(make.process(make.folder(tenant)))
    user = make.user("jobs.view_job", "jobs.cancel_job", "accounts.add_apitoken", inside=tenant)
    key, text = key_for(user, tenant, scopes=["*.view", "queues.*", "jobs.retry_job"])
    narrowed, wide = actor_of(key), Actor.person(user, tenant_id=tenant.pk)

    assert rbac.allows(wide, "jobs.cancel_job", job)
    assert rbac.allows(narrowed, "jobs.view_job", job)
    for permission in ("jobs.cancel_job", "jobs.retry_job", "queues.view_queue"):
        assert not rbac.allows(narrowed, permission, job)
        assert not rbac.visible(Job.objects.all(), narrowed, permission)
        assert not rbac.reach(narrowed, permission).touches(tenant.pk)
    assert rbac.reach(narrowed, "jobs.view_job").tenants == (tenant.pk,)
    client = caller(text)
    assert api.ids(client.get("/api/v1/jobs")) == [str(job.pk)]
    refused = client.post(f"/api/v1/jobs/{job.pk}/cancel", {}, content_type="application/json")
    assert refused.status_code == 403
    assert "scopes of this credential" in refused.json()["detail"]
    assert client.get("/api/v1/me").json()["permissions"] == ["jobs.view_job"]
    # Neither does it make itself a wider one, or end those of its user.
    assert client.post("/api/v1/api-keys", {"name": "x"}, content_type="application/json").status_code == 403
    assert client.post(f"/api/v1/api-keys/{key.pk}/revoke", {}, content_type="application/json").status_code == 403


@pytest.mark.parametrize("kind", ["superuser", "tenant", "folder", "shared"])
def test_folders_narrow_every_answer_alike(tenant, kind):
    inside = make.folder(tenant)
    below = tenancy.create_folder(inside, actor=make.SYSTEM, name="Below")
    outside = tenancy.create_folder(tenant, actor=make.SYSTEM, name="Outside")
    jobs = [make.job(make.process(folder)) for folder in (inside, below, outside)]
    place = {"tenant": tenant, "folder": inside}.get(kind)
    user = make.user(
        *(["jobs.view_job", "tenancy.view_folder"] if place else []), inside=place, superuser=kind == "superuser"
    )
    if kind == "shared":
        for job in jobs:
            rbac.share_object(job, actor=make.SYSTEM, user=user, permission="jobs.view_job")
    key, _ = key_for(user, tenant, folders=[inside])
    actor = actor_of(key)
    elsewhere = make.job()

    for job in (*jobs, elsewhere):
        expected = job in jobs[:2]
        assert rbac.allows(actor, "jobs.view_job", job) is expected
        assert rbac.visible(Job.objects.filter(pk=job.pk), actor, "jobs.view_job").exists() is expected
    reach = rbac.reach(actor, "jobs.view_job")
    assert not reach.is_everywhere
    assert not reach.tenants
    if kind == "shared":
        assert set(reach.objects) == {jobs[0].pk, jobs[1].pk}
    else:
        assert set(reach.folders) == {inside.pk, below.pk}
        assert set(rbac.visible(Folder.objects.all(), actor, "tenancy.view_folder")) == {inside, below}
    for everywhere in (tenant, rbac.EVERYWHERE):
        assert not rbac.allows(actor, "jobs.view_job", everywhere)
        assert not rbac.holds_everything(actor, everywhere) if hasattr(rbac, "holds_everything") else True
    assert not rbac.tenants_where(actor, "jobs.view_job")
    assert not rbac.visible(Robot.objects.all(), actor, "robots.view_robot")
    if kind != "shared":
        assert list(rbac.visible(Tenant.objects.all(), actor, "tenancy.view_tenant")) == [tenant]


def test_a_key_whose_folders_are_gone_reaches_nothing(tenant):
    folder = make.folder(tenant)
    key, _ = key_for(make.user(superuser=True), tenant, folders=[folder])
    key.bound_folders.through.objects.all().delete()
    job = make.job(make.process(make.folder(tenant)))

    assert not rbac.allows(actor_of(key), "jobs.view_job", job)
    assert not rbac.visible(Job.objects.all(), actor_of(key), "jobs.view_job")


@pytest.mark.parametrize(
    "facts",
    [
        {"scopes": []},
        {"scopes": ["jobs.fly_job"]},
        {"scopes": ["*.*"]},
        {"scopes": ["*"]},
        {"folders": []},
        {"networks": ["10.0.0.0/99"]},
        {"networks": ["all"]},
    ],
)
def test_what_narrows_to_nonsense_is_refused(tenant, facts):
    with pytest.raises(Invalid, match=next(iter(facts))):
        key_for(make.user(superuser=True), tenant, **facts)


def test_no_key_makes_one_that_reaches_further(tenant):
    folder, other = (tenancy.create_folder(tenant, actor=make.SYSTEM, name=name) for name in "AB")
    account = make.service_account(tenant, "jobs.view_job")
    within = {"scopes": ["jobs.*", "accounts.*"], "folders": [folder], "networks": ["10.0.0.0/8"]}
    key, _ = key_for(account, tenant, life=timedelta(days=1), **within)
    actor = actor_of(key)

    for wider in (
        {"scopes": None}, {"scopes": ["queues.*"]}, {"scopes": ["*.view"]}, {"folders": None}, {"folders": [other]},
        {"networks": []}, {"networks": ["11.0.0.0/8"]}, {"networks": ["10.0.0.0/7"]}, {"networks": ["2001:db8::/32"]},
    ):  # fmt: skip
        with pytest.raises(NotAllowed, match=f"narrowed by its {next(iter(wider))}"):
            key_for(account, tenant, actor=actor, **{**within, **wider})
    made, _ = key_for(
        account, tenant, actor=actor, **{**within, "scopes": ["jobs.view_job"], "networks": ["10.1.0.0/16"]}
    )
    assert made.expires_at <= key.expires_at
    wide, _ = key_for(account, tenant)
    with pytest.raises(NotAllowed, match="narrowed by its scopes"):
        services.rotate_api_key(wide, actor=actor)


def test_nobody_makes_a_key_for_an_account_that_may_more_than_they(tenant):
    keeper = Actor.person(
        make.user("accounts.add_apitoken", "accounts.change_apitoken", "jobs.view_job", inside=tenant)
    )
    account = make.service_account(tenant, "jobs.view_job", "jobs.cancel_job")

    with pytest.raises(NotAllowed, match=r"do not hold jobs\.cancel_job"):
        key_for(account, tenant, actor=keeper)
    key, _ = key_for(account, tenant, actor=keeper, scopes=["jobs.view_job"])
    assert services.rotate_api_key(key, actor=keeper)
    wide, _ = key_for(account, tenant)
    with pytest.raises(NotAllowed, match=r"do not hold jobs\.cancel_job"):
        services.rotate_api_key(wide, actor=keeper)
    rbac.assign_role(
        rbac.create_role("all", actor=make.SYSTEM, tenant=tenant), actor=make.SYSTEM, user=account, tenant=tenant
    )
    shared = make.process(make.folder(tenant))
    other = make.service_account(tenant)
    rbac.share_object(shared, actor=make.SYSTEM, user=other, permission="processes.run_process")
    with pytest.raises(NotAllowed, match=r"do not hold processes\.run_process"):
        key_for(other, tenant, actor=keeper)


def test_c6_a_key_used_from_another_network_is_refused_and_written_down(tenant):
    key, text = key_for(make.user("jobs.view_job", inside=tenant), tenant, networks=["10.0.0.0/8", "2001:db8::/32"])

    for address, status in (("10.9.8.7", 200), ("2001:db8::1", 200), ("::ffff:10.1.1.1", 200), ("192.0.2.7", 403)):
        assert caller(text).get("/api/v1/jobs", REMOTE_ADDR=address).status_code == status
    refusal = AuditEntry.objects.about(key).filter(outcome="refused").get()
    assert (refusal.address, refusal.target_id) == ("192.0.2.7", key.pk)
    assert "192.0.2.7" not in ApiTokenUse.objects.values_list("address", flat=True)


def test_a_rotated_key_has_two_texts_for_a_while(tenant):
    user = make.user(superuser=True)
    with time_machine.travel(timezone.now() - timedelta(days=40), tick=True):
        key, old = key_for(user, tenant, life=timedelta(days=60))
    ApiToken.objects.update(created_at=timezone.now() - timedelta(days=40))  # It is set by the database's clock.
    person = Actor.person(user)

    key, new = services.rotate_api_key(key, actor=person, overlap=timedelta(hours=1))

    assert new[:14] == old[:14]
    assert new != old
    assert key.expires_at > timezone.now() + timedelta(days=59)
    assert ApiToken.matching(old) == ApiToken.matching(new) == key
    with time_machine.travel(timezone.now() + timedelta(minutes=61), tick=True):
        assert ApiToken.matching(old) is None
        assert ApiToken.matching(new) == key
    _, newest = services.rotate_api_key(key, actor=person, overlap=timedelta(0))
    assert [ApiToken.matching(text) for text in (old, new, newest)] == [None, None, key]
    entry = AuditEntry.objects.about(key).filter(action="api_key.rotated").first()
    assert not {old[15:], new[15:], newest[15:]} & set(str(entry.after).split("'"))
    with pytest.raises(Invalid, match="24 h"):
        services.rotate_api_key(key, actor=person, overlap=timedelta(hours=25))
    services.revoke_api_key(key, actor=person)
    assert ApiToken.matching(newest) is None
    with pytest.raises(Conflict, match="revoked"):
        services.rotate_api_key(key, actor=person)


def test_a_key_rotated_with_itself_lasts_no_longer(tenant):
    with time_machine.travel(timezone.now() - timedelta(days=40), tick=True):
        key, text = key_for(make.service_account(tenant), tenant, life=timedelta(days=60))
    until = key.expires_at

    answer = caller(text).post(
        f"/api/v1/api-keys/{key.pk}/rotate", {"overlap_minutes": 0}, content_type="application/json"
    )

    assert answer.status_code == 200
    assert caller(text).get("/api/v1/me").status_code == 401
    assert caller(answer.json()["key"]).get("/api/v1/me").status_code == 200
    key.refresh_from_db()
    assert key.expires_at == until


def test_uses_are_counted_by_day_and_address_and_new_addresses_are_written_down(tenant):
    key, text = key_for(make.user("jobs.view_job", inside=tenant), tenant)
    other, other_text = key_for(make.service_account(tenant), tenant)
    for address, times in (("192.0.2.1", 3), ("192.0.2.2", 2)):
        for _ in range(times):
            caller(text).get("/api/v1/jobs", REMOTE_ADDR=address)
    caller(other_text).get("/api/v1/jobs", REMOTE_ADDR="192.0.2.1")
    services.write_uses()

    answer = caller(text).get(f"/api/v1/api-keys/{key.pk}/usage").json()

    assert answer["days"] == [{"day": str(timezone.now().date()), "count": 5}]
    assert [(one["address"], one["count"]) for one in answer["addresses"]] == [("192.0.2.1", 3), ("192.0.2.2", 2)]
    key.refresh_from_db()
    assert key.use_count == 5
    assert key.last_used_at
    entries = AuditEntry.objects.filter(action="api_key.used_from_new_address").order_by("seq")
    met = [(one.target_id, one.after["address"]) for one in entries]
    # The last is the test client's own, with which the usage was asked for.
    assert met[:-1] == [(key.pk, "192.0.2.1"), (key.pk, "192.0.2.2"), (other.pk, "192.0.2.1")]
    assert services.forget_uses(timezone.now().date() + timedelta(days=1), actor=make.SYSTEM) == 3


def test_a_key_from_very_many_addresses_fills_no_table(tenant, monkeypatch):
    monkeypatch.setattr("apps.audit.services.addresses.MOST_ADDRESSES", 2)
    key, text = key_for(make.user("jobs.view_job", inside=tenant), tenant)
    for number in range(1, 6):
        caller(text).get("/api/v1/jobs", REMOTE_ADDR=f"192.0.2.{number}")
    services.write_uses()

    usage = services.usage_of(key)

    assert {address: count for address, count, _ in usage.addresses} == {"192.0.2.1": 1, "192.0.2.2": 1, None: 3}
    assert AuditEntry.objects.filter(action="api_key.used_from_new_address").count() == 2


@pytest.mark.django_db(transaction=True)
def test_e7_a_revoked_key_is_refused_by_every_process_at_once(tenant):
    user = make.user("jobs.view_job", inside=tenant)
    key, text = key_for(user, tenant)
    other, other_text = key_for(make.service_account(tenant), tenant)
    found = []

    def elsewhere():
        # A thread has a connection of its own, as another process has.
        found.append([caller(one).get("/api/v1/me").status_code for one in (text, other_text)])
        connection.close()

    for change in (
        lambda: None,
        lambda: services.revoke_api_key(key, actor=make.SYSTEM),
        lambda: services.disable_user(other.user, actor=make.SYSTEM),
    ):
        change()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    assert found == [[200, 200], [401, 200], [401, 401]]


def test_bulk_changes_stay_as_narrow_as_the_key_that_asked(tenant):
    bounds = Bounds(frozenset({"jobs.*"}), ("/a/",), (), None)
    user = make.user()
    kept = bulk.asked_by(Actor.person(user, tenant_id=tenant.pk, bounds=bounds))

    assert Bounds.kept(kept["bounds"]) == bounds
    assert bulk.asked_by(Actor.person(user, bounds=Bounds()))["bounds"] is None
