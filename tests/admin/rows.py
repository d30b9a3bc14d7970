"""A row of each kind that has pages, in a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts import services as accounts
from apps.accounts.models import ApiToken, User
from apps.assets.models import Asset, CredentialStore
from apps.audit.models import AuditEntry
from apps.console.models import Tick
from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Artefact, BulkAction, BulkChange, Execution, Job
from apps.mail import services as mailing
from apps.mail.models import Mail
from apps.packages.models import Package, PackageVersion
from apps.processes import services as processes
from apps.processes.models import NamedLimit, Process
from apps.queues import services as queues
from apps.queues.models import FileStore, ItemBulkAction, ItemBulkChange, ItemFile, Queue, QueueItem, StoredFile
from apps.rbac import services as rbac
from apps.rbac.models import Group, Role, RoleAssignment
from apps.robots.models import EnrolmentKey, Machine, Robot
from apps.tenancy import services as tenancy
from apps.tenancy.models import Brake, Folder, Tenant
from apps.triggers import services as triggers
from apps.triggers.models import Calendar, Firing, Trigger
from tests import make


def version(of: Tenant) -> PackageVersion:
    return make.package_version(make.folder(of))


def package(of: Tenant) -> Package:
    return version(of).package


def process(of: Tenant) -> Process:
    return make.process(make.folder(of))


def job(of: Tenant) -> Job:
    return make.job(process(of))


def execution(of: Tenant) -> Execution:
    return make.running_job(process(of))


def artefact(of: Tenant) -> Artefact:
    return make.artefact(execution(of))


def queue(of: Tenant) -> Queue:
    return make.queue(make.folder(of))


def item(of: Tenant) -> QueueItem:
    return make.item(queue(of), reference="INV-1")


def file_store(of: Tenant) -> FileStore:
    return make.file_store(make.folder(of))


def stored_file(of: Tenant) -> StoredFile:
    return make.stored_file(file_store(of))


def item_file(of: Tenant) -> ItemFile:
    return make.item_file(item(of))


def asset(of: Tenant) -> Asset:
    return make.asset(make.folder(of))


def limit(of: Tenant) -> NamedLimit:
    return processes.create_limit(make.folder(of), actor=make.SYSTEM, name=f"limit {NamedLimit.objects.count()}")


def brake(of: Tenant) -> Brake:
    return tenancy.set_brake(of, actor=make.SYSTEM, reason="the bank is down", holds_dispatch=False)


def tick(of: Tenant) -> Tick:
    return Tick.objects.create(name=f"tick {Tick.objects.count()}", usual_seconds=5)


def mail(of: Tenant) -> Mail:
    facts = {"subject": "Hello", "text": "the words", "purpose": "test"}
    return mailing.queue_mail("ann@example.com", actor=make.SYSTEM, tenant=of, **facts)


def machine(of: Tenant) -> Machine:
    return make.machine(of)


def enrolment_key(of: Tenant) -> EnrolmentKey:
    return make.enrolment_key(of)


def robot(of: Tenant) -> Robot:
    return make.robot(of=of)


def trigger(of: Tenant) -> Trigger:
    return make.trigger(process(of))


def calendar(of: Tenant) -> Calendar:
    return make.calendar(make.folder(of))


def firing(of: Tenant) -> Firing:
    return triggers.fire_trigger(trigger(of), actor=make.SYSTEM, parameters={"customer": "ACME"})


def tenant(of: Tenant) -> Tenant:
    return of


def folder(of: Tenant) -> Folder:
    return tenancy.create_folder(of, actor=make.SYSTEM, name=f"folder of {of.slug} {Folder.objects.count()}")


def user(of: Tenant) -> User:
    return make.user("jobs.view_job", inside=of)


def api_key(of: Tenant) -> ApiToken:
    return accounts.create_api_key(user(of), actor=make.SYSTEM, tenant=of, name="a program")[0]


def role(of: Tenant) -> Role:
    return rbac.create_role(f"role {Role.objects.count()}", actor=make.SYSTEM, tenant=of)


def group(of: Tenant) -> Group:
    made = rbac.create_group(f"group {Group.objects.count()}", actor=make.SYSTEM, tenant=of, claims=["finance"])
    rbac.add_member(made, actor=make.SYSTEM, user=make.user())
    return made


def assignment(of: Tenant) -> RoleAssignment:
    return rbac.assign_role(role(of), actor=make.SYSTEM, user=make.user(), tenant=of)


def bulk_change(of: Tenant) -> BulkChange:
    return jobs.request_bulk_change(of, actor=make.SYSTEM, action=BulkAction.CANCEL, filters={"status": ["pending"]})


def item_bulk_change(of: Tenant) -> ItemBulkChange:
    filters = {"status": ["failed"]}
    return queues.request_item_change(of, actor=make.SYSTEM, action=ItemBulkAction.REQUEUE, filters=filters)


def audit_entry(of: Tenant) -> AuditEntry:
    machine(of)
    return AuditEntry.objects.filter(tenant_id=of.pk).latest("pk")


def event(of: Tenant) -> Event:
    machine(of)
    return Event.objects.filter(tenant_id=of.pk).latest("pk")


#: How to make a row of each kind, and which permission shows it to somebody with whom only that one is shared.
KINDS: dict[type[Any], tuple[Callable[[Tenant], Any], str]] = {
    Package: (package, "packages.view_package"),
    PackageVersion: (version, ""),
    Process: (process, "processes.view_process"),
    Queue: (queue, "queues.view_queue"),
    QueueItem: (item, "queues.view_queueitem"),
    ItemFile: (item_file, ""),
    FileStore: (file_store, "queues.view_filestore"),
    StoredFile: (stored_file, ""),
    CredentialStore: (make.credential_store, "assets.view_credentialstore"),
    Asset: (asset, "assets.view_asset"),
    NamedLimit: (limit, "processes.view_namedlimit"),
    Job: (job, "jobs.view_job"),
    Execution: (execution, ""),
    Artefact: (artefact, ""),
    BulkChange: (bulk_change, ""),
    ItemBulkChange: (item_bulk_change, ""),
    Trigger: (trigger, "triggers.view_trigger"),
    Firing: (firing, ""),
    Calendar: (calendar, "triggers.view_calendar"),
    Machine: (machine, "robots.view_machine"),
    EnrolmentKey: (enrolment_key, "robots.view_enrolmentkey"),
    Robot: (robot, "robots.view_robot"),
    Tenant: (tenant, "tenancy.view_tenant"),
    Folder: (folder, "tenancy.view_folder"),
    Brake: (brake, ""),
    Tick: (tick, ""),
    Mail: (mail, "mail.view_mail"),
    User: (user, ""),
    ApiToken: (api_key, "accounts.view_apitoken"),
    Role: (role, ""),
    Group: (group, ""),
    RoleAssignment: (assignment, ""),
    AuditEntry: (audit_entry, ""),
    Event: (event, ""),
}


#: Kinds whose rows belong to the installation, and to no tenant.
OF_THE_INSTALLATION = {Tick}


def every_kind(*, shared: bool = False, of_tenants: bool = False) -> Any:
    """Run a test once for each kind of row: those that can be shared one by one, those that belong to tenants."""
    chosen = [
        pytest.param(model, maker, permission, id=model._meta.label)
        if shared
        else pytest.param(model, maker, id=model._meta.label)
        for model, (maker, permission) in KINDS.items()
        if (permission or not shared) and not (of_tenants and model in OF_THE_INSTALLATION)
    ]
    return pytest.mark.parametrize("model, maker, permission" if shared else "model, maker", chosen)
