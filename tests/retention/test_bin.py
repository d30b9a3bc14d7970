"""What is deleted lies in a bin: out of lists, its name free, its history intact, and to be had back."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse

from apps.assets import services as assets
from apps.assets.models import AssetValue
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict
from apps.jobs import services as jobs
from apps.packages import services as packages
from apps.packages.models import Package, PackageVersion
from apps.processes import services as processes
from apps.processes.models import Process
from apps.queues import services as queues
from apps.retention.tasks import prune
from apps.robots import services as robots
from apps.robots.models import MachineKey, RobotToken
from apps.tenancy import services as tenancy
from apps.triggers import services as triggers
from tests import api, make
from tests.admin.visitors import superuser, text_of
from tests.retention.aged import age, days_ago, keep

pytestmark = pytest.mark.django_db
SYSTEM = make.SYSTEM


@dataclass(frozen=True)
class Case:
    """One kind: where it is found, how it is made, and whose services delete it and have it back."""

    collection: str
    make: Any
    services: Any
    noun: str

    @property
    def permission(self):
        return f"{self.services.__name__.split('.')[1]}.delete_{self.noun}"

    def delete(self, row):
        getattr(self.services, f"delete_{self.noun}")(row, actor=SYSTEM)


def named_package(folder, name):
    return make.package_version(folder, name=name).package


def named_folder(folder, name):
    return tenancy.create_folder(folder.tenant, actor=SYSTEM, name=name)


def in_folder(maker):
    return lambda folder, name: maker(folder, name=name)


def on_tenant(maker):
    return lambda folder, name: maker(of=folder.tenant, name=name)


CASES = [
    Case("folders", named_folder, tenancy, "folder"),
    Case("packages", named_package, packages, "package"),
    Case("queues", in_folder(make.queue), queues, "queue"),
    Case("assets", in_folder(make.asset), assets, "asset"),
    Case("machines", on_tenant(make.machine), robots, "machine"),
    Case("robots", on_tenant(make.robot), robots, "robot"),
    Case("processes", in_folder(make.process), processes, "process"),
    Case("triggers", lambda folder, name: make.trigger(make.process(folder), name=name), triggers, "trigger"),
]
EVERY_KIND = pytest.mark.parametrize("case", [pytest.param(case, id=case.collection) for case in CASES])


@EVERY_KIND
def test_it_goes_its_name_is_free_and_it_is_had_back_under_another(case):
    folder, caller = make.folder(), api.root()
    row = case.make(folder, "night")
    address = f"{case.collection}/{row.pk}"

    assert caller.delete(address).status_code == 204
    assert caller.get(address).status_code == 404
    assert str(row.pk) not in text_of(caller.get(case.collection))
    row.refresh_from_db()
    assert (row.is_in_bin, row.deleted_by) == (True, f"person {caller.person.username}")
    beside = case.make(folder, "Night")

    refused = caller.post(f"{address}/restore")
    assert refused.status_code == 409
    told = refused.json()
    assert (told["code"], told["suggestion"]) == ("name_taken", "night-restored")
    assert f"such as “{told['suggestion']}”" in told["detail"]
    row.refresh_from_db()
    assert row.is_in_bin

    answer = caller.post(f"{address}/restore", {"name": told["suggestion"]})
    assert answer.status_code == 200, answer.content
    assert answer.json()["name"] == "night-restored"
    assert caller.get(address).status_code == 200
    assert caller.post(f"{address}/restore").json()["code"] == "not_in_bin"
    assert beside.pk != row.pk
    acts = list(AuditEntry.objects.filter(target_id=row.pk).order_by("seq").values_list("action", flat=True))
    noun = row._meta.model_name
    assert acts[-2:] == [f"{noun}.deleted", f"{noun}.restored"]


@EVERY_KIND
def test_who_may_not_delete_may_not_restore_and_others_do_not_know_it(case):
    folder = make.folder()
    row = case.make(folder, "night")
    case.delete(row)
    address = f"{case.collection}/{row.pk}/restore"
    view = case.permission.replace("delete_", "view_")
    looks = api.Caller(make.user(view, inside=folder.tenant))
    stranger = api.Caller(make.user(view, case.permission, inside=make.tenant()))
    may = api.Caller(make.user(view, case.permission, inside=folder.tenant))

    assert looks.post(address).status_code == 403
    assert stranger.post(address).status_code == 404
    tenancy.suspend_tenant(folder.tenant, actor=SYSTEM)
    assert may.post(address).json()["code"] == "tenant_suspended"
    tenancy.resume_tenant(folder.tenant, actor=SYSTEM)
    assert may.post(address).status_code == 200


def test_nothing_comes_back_without_what_it_needs():
    package = make.package_version().package
    process = make.process(package.folder, package=package)
    queue = make.queue(package.folder)
    trigger = make.trigger(process)
    robot = make.robot(of=package.tenant)
    inner = tenancy.create_folder(named_folder(package.folder, "outer"), actor=SYSTEM, name="inner")
    inside = make.queue(inner)
    gone = [(triggers.delete_trigger, trigger), (processes.delete_process, process),
            (packages.delete_package, package), (queues.delete_queue, queue), (robots.delete_robot, robot),
            (robots.delete_machine, robot.machine), (queues.delete_queue, inside), (tenancy.delete_folder, inner),
            (tenancy.delete_folder, inner.parent)]  # fmt: skip
    for delete, row in gone:
        delete(row, actor=SYSTEM)

    def needs(restore, row, what):
        with pytest.raises(Conflict, match=what) as refusal:
            restore(row, actor=SYSTEM)
        assert refusal.value.code == "needs_deleted"

    needs(triggers.restore_trigger, trigger, f"process “{process.name}” is in the bin")
    needs(processes.restore_process, process, f"package “{package.name}” is in the bin")
    needs(robots.restore_robot, robot, f"machine “{robot.machine.name}” is in the bin")
    needs(queues.restore_queue, inside, "folder “inner” is in the bin")
    needs(tenancy.restore_folder, inner, "“outer” is in the bin")

    packages.restore_package(package, actor=SYSTEM)
    processes.restore_process(process, actor=SYSTEM)
    triggers.restore_trigger(trigger, actor=SYSTEM)
    assert (trigger.enabled, trigger.disabled_reason) == (False, "It was in the bin.")
    triggers.enable_trigger(trigger, actor=SYSTEM)
    assert make.job(process).status == "pending"


def test_a_package_comes_back_with_the_versions_that_went_with_it():
    folder = make.folder()
    first = make.package_version(folder, name="books", version="1.0.0")
    second, third = (make.package_version(folder, name="books", version=f"{number}.0.0") for number in (2, 3))
    package = first.package
    packages.delete_version(first, actor=SYSTEM)
    packages.deactivate_version(second, actor=SYSTEM)

    packages.delete_package(package, actor=SYSTEM)
    assert not PackageVersion.objects.alive().filter(package=package).exists()
    assert third.storage_name in set(packages._named_files())
    packages.restore_package(package, actor=SYSTEM)

    alive = PackageVersion.objects.alive().filter(package=package)
    assert dict(alive.values_list("version", "is_active")) == {"2.0.0": False, "3.0.0": True}
    assert package.newest_version() == third


def test_robots_and_machines_come_back_without_their_old_credentials():
    robot, token = make.robot_with_token()
    machine = robot.machine
    robots.delete_robot(robot, actor=SYSTEM)
    robots.delete_machine(machine, actor=SYSTEM)
    robots.restore_machine(machine, actor=SYSTEM)
    robots.restore_robot(robot, actor=SYSTEM)

    assert not RobotToken.objects.filter(RobotToken.good_after(robot.created_at), robot=robot, revoked_at=None).exists()
    assert not MachineKey.objects.filter(machine=machine, revoked_at=None).exists()
    assert robots.rotate_token(robot, actor=SYSTEM) != token
    assert robots.replace_key(machine, actor=SYSTEM)


def test_the_bin_lists_what_one_may_see_the_last_deleted_first():
    folder, other = make.folder(), make.folder()
    rows = [case.make(folder, "night") for case in CASES]
    gone = [row for case, row in zip(CASES, rows, strict=True) if case.delete(row) is None]
    queues.delete_queue(make.queue(other), actor=SYSTEM)
    views = [case.permission.replace("delete_", "view_") for case in CASES]
    viewer = api.Caller(make.user(*views, inside=folder.tenant))

    first = viewer.get("bin", {"page_size": 5}).json()
    second = viewer.client.get(first["next"]).json()
    listed = [*first["items"], *second["items"]]

    assert [one["id"] for one in listed] == [str(row.pk) for row in reversed(gone)]
    assert [one["kind"] for one in listed] == [case.collection for case in reversed(CASES)]
    assert (second["next"], listed[0]["deleted_by"], listed[0]["tenant"]) == (
        None,
        "system test",
        str(folder.tenant_id),
    )
    assert listed[0]["purged_at"] > listed[0]["deleted_at"]
    only = viewer.get("bin", {"kind": "queues", "folder": str(folder.pk)}).json()["items"]
    assert [one["name"] for one in only] == ["night"]
    assert api.root().get("bin", {"tenant": str(other.tenant_id)}).json()["items"][0]["kind"] == "queues"
    assert api.Caller(make.user()).get("bin").json()["items"] == []
    wrong = [viewer.get("bin", query).status_code for query in ({"kind": "jobs"}, {"cursor": "x"}, {"tenat": "x"})]
    assert wrong == [400, 400, 400]
    page = text_of(superuser().get(reverse("admin:bin")))
    assert page.count(">Restore<") == len(CASES) + 1
    assert "system test" in page


def buried(row, days=31):
    """Let a row have been deleted so many days ago."""
    type(row)._base_manager.filter(pk=row.pk).update(deleted_at=days_ago(days))


def rows_of(rows, noun):
    return [row.pk for row in rows if row._meta.model_name == noun]


def test_what_lay_there_for_long_is_purged_and_goes_once_no_history_names_it():
    folder = make.folder()
    rows = [case.make(folder, "night") for case in CASES]
    for case, row in zip(CASES, rows, strict=True):
        case.delete(row)
    package = make.package_version(folder)
    process = make.process(folder, package=package.package)
    job = make.job(process)
    jobs.cancel_job(job, actor=SYSTEM)
    processes.delete_process(process, actor=SYSTEM)
    packages.delete_package(package.package, actor=SYSTEM)
    young = make.queue(folder)
    queues.delete_queue(young, actor=SYSTEM)
    for row in (*rows, process, package.package):
        buried(row)

    done = prune(seconds=None, batch=3)

    kept = {type(row)._meta.model_name for row in rows if type(row)._base_manager.filter(pk=row.pk).exists()}
    assert kept == {"robot", "machine"}
    assert done["bin"] >= len(rows)
    assert not RobotToken.objects.filter(robot__in=rows_of(rows, "robot")).exists()
    process.refresh_from_db()
    assert (process.purged_at is not None, process.is_in_bin) == (True, False)
    assert Package.objects.filter(pk=package.package_id, purged_at__isnull=False).exists()
    purged = AuditEntry.objects.filter(action__endswith=".purged")
    assert purged.count() == len(rows) + 2
    assert api.root().post(f"processes/{process.pk}/restore").status_code == 404
    assert [one["name"] for one in api.root().get("bin").json()["items"]] == [young.name]

    age(job, 31)
    prune(seconds=None)
    assert not Process.objects.filter(pk=process.pk).exists()
    assert not PackageVersion.objects.filter(pk=package.pk).exists()
    assert prune(seconds=None)["bin"] == 0


def test_the_secrets_of_an_asset_are_gone_when_its_time_is_over_and_not_before():
    asset = make.asset(type="secret", value=None, secrets={"value": "canary-in-the-bin"})
    assets.delete_asset(asset, actor=SYSTEM)
    buried(asset)
    keep(asset.tenant, bin=60)
    prune(seconds=None)
    assert AssetValue.objects.filter(asset=asset).exists()
    buried(asset, 61)
    prune(seconds=None)
    assert not AssetValue.objects.filter(asset=asset).exists()


def test_its_page_says_since_when_it_lies_in_the_bin_and_offers_to_restore_it():
    visitor, queue = superuser(), make.queue()
    queues.delete_queue(queue, actor=visitor.actor)

    page = text_of(visitor.open(queue))
    assert f"put there by person {visitor.person.username}" in page
    assert reverse("admin:queues_queue_restore", args=[queue.pk]) in page
    assert reverse("admin:queues_queue_edit", args=[queue.pk]) not in page
    make.queue(queue.folder, name=queue.name)
    assert f"such as “{queue.name}-restored”" in text_of(visitor.do(queue, "restore"))
    visitor.do(queue, "restore", name="Other")

    queue.refresh_from_db()
    assert (queue.name, queue.deleted_at) == ("Other", None)
