"""Everything that can be done: through its service, by those who may, and written down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apps.accounts import services as accounts
from apps.accounts.admin import sharing
from apps.accounts.models import ApiToken, User
from apps.assets import services as assets
from apps.assets.models import Asset, CredentialStore
from apps.audit.models import AuditEntry, Outcome
from apps.console.models import Tick
from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Artefact, BulkChange, Job, JobStatus
from apps.mail.models import Mail, MailStatus
from apps.packages import services as packages
from apps.packages.models import Package, PackageVersion
from apps.processes import services as processes
from apps.processes.models import NamedLimit, Process
from apps.queues import services as queues
from apps.queues.models import FileStore, ItemBulkChange, ItemFile, Queue, QueueItem, StoredFile
from apps.rbac.models import Group, Role, RoleAssignment
from apps.robots import services as robots
from apps.robots.models import EnrolmentKey, Machine, Robot
from apps.tenancy import services as tenancy
from apps.tenancy.models import Brake, Folder, Tenant
from apps.triggers import services as triggers
from apps.triggers.models import Calendar, Trigger
from tests import make
from tests.admin import rows
from tests.admin.visitors import list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db
SYSTEM = make.SYSTEM


def held_job() -> Job:
    execution = make.running_job(make.process(on_lost="hold"))
    jobs.hand_over_leases(execution.robot, actor=SYSTEM, ended=[execution.session_id], reason="robot_restarted")
    execution.job.refresh_from_db()
    return execution.job


def given_up_mail() -> Mail:
    mail = rows.mail(make.tenant())
    mail.move_to(MailStatus.DEAD)
    return mail


def ended_job() -> Job:
    return jobs.cancel_job(make.job(), actor=SYSTEM)


def inactive_version() -> PackageVersion:
    return packages.deactivate_version(make.package_version(), actor=SYSTEM)


def robot_in(change: Callable[..., Any], **facts: Any) -> Robot:
    robot = make.robot()
    change(robot, actor=SYSTEM, **facts)
    robot.refresh_from_db()
    return robot


def faulty_robot() -> Robot:
    return robot_in(robots.flag_error, error="spool unusable")


def failed_item() -> QueueItem:
    lease = make.taken()
    report = queues.Report("failed", error_type="business", error_code="E7", error_reason="no such customer")
    return queues.finish_item(lease, actor=SYSTEM, report=report).item


def some(maker: Callable[[Tenant], Any]) -> Callable[[], Any]:
    return lambda: maker(make.tenant())


def limit_beside_a_process() -> NamedLimit:
    process = make.process()
    return rows.limit(process.tenant)


def group_and_somebody() -> Group:
    make.user()
    return rows.group(make.tenant())


def own_store() -> CredentialStore:
    tenant = make.tenant()
    assets.ensure_own_stores(actor=SYSTEM)
    return CredentialStore.objects.get(tenant=tenant)


def asset_of_two_places() -> Asset:
    asset = make.asset()
    assets.set_value(asset, actor=SYSTEM, value="there", place=assets.Place(robot=make.robot(of=asset.tenant)))
    return asset


def shared_limit() -> NamedLimit:
    limit = limit_beside_a_process()
    return processes.share_limit(limit, actor=SYSTEM, process=Process.objects.get(tenant=limit.tenant))


def binned(maker: Callable[[], Any], delete: Callable[..., Any]) -> Callable[[], Any]:
    """A row that lies in the bin."""

    def make_and_delete() -> Any:
        row = maker()
        delete(row, actor=SYSTEM)
        row.refresh_from_db()
        return row

    return make_and_delete


class SentAgain(SimpleUploadedFile):
    """A file that can be sent more than once."""

    def read(self, *size: int) -> bytes:
        self.seek(0)
        return super().read(*size)


ICALENDAR = b"""BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:test\r
BEGIN:VEVENT\r
UID:1\r
SUMMARY:Christmas\r
DTSTART;VALUE=DATE:20261225\r
END:VEVENT\r
END:VCALENDAR\r
"""

#: Stands for the first row that a form offers.
FIRST = object()
A_FILE = SimpleUploadedFile("a.csv", b"a;b")

#: Model and operation: a row it makes sense for, what its form asks, and what it is called in the trail.
OPERATIONS: dict[tuple[type[Any], str], tuple[Callable[[], Any], dict[str, Any], str]] = {
    (Tenant, "rename"): (make.tenant, {"name": "Other"}, "tenant.renamed"),
    (Tenant, "suspend"): (make.tenant, {}, "tenant.suspended"),
    (Tenant, "quotas"): (make.tenant, {"robots": "5"}, "tenant.quotas_set"),
    (Tenant, "resume"): (lambda: tenancy.suspend_tenant(make.tenant(), actor=SYSTEM), {}, "tenant.resumed"),
    (Folder, "rename"): (some(rows.folder), {"name": "Other"}, "folder.renamed"),
    (Folder, "delete"): (some(rows.folder), {}, "folder.deleted"),
    (Folder, "restore"): (binned(some(rows.folder), tenancy.delete_folder), {}, "folder.restored"),
    (User, "edit"): (some(rows.user), {"name": "Ann", "time_zone": "Asia/Tokyo"}, "user.updated"),
    (User, "password"): (some(rows.user), {"password": make.PASSWORD, "again": make.PASSWORD}, "user.password_changed"),
    (User, "unlock"): (some(rows.user), {}, "user.unlocked"),
    (User, "disable"): (some(rows.user), {}, "user.disabled"),
    (User, "enable"): (lambda: accounts.disable_user(rows.user(make.tenant()), actor=SYSTEM), {}, "user.enabled"),
    (ApiToken, "rotate"): (some(rows.api_key), {"overlap": 10}, "api_key.rotated"),
    (ApiToken, "revoke"): (some(rows.api_key), {}, "api_key.revoked"),
    (Role, "edit"): (some(rows.role), {"name": "Other"}, "role.updated"),
    (Role, "delete"): (some(rows.role), {}, "role.deleted"),
    (Group, "join"): (group_and_somebody, {"user": FIRST}, "group.member_added"),
    (Group, "edit"): (some(rows.group), {"name": "Other"}, "group.updated"),
    (Group, "leave"): (some(rows.group), {"member": FIRST}, "group.member_removed"),
    (Group, "delete"): (some(rows.group), {}, "group.deleted"),
    (RoleAssignment, "revoke"): (some(rows.assignment), {}, "role.revoked"),
    (Package, "delete"): (some(rows.package), {}, "package.deleted"),
    (Package, "restore"): (binned(some(rows.package), packages.delete_package), {}, "package.restored"),
    (PackageVersion, "deactivate"): (make.package_version, {}, "package.version_deactivated"),
    (PackageVersion, "activate"): (inactive_version, {}, "package.version_activated"),
    (PackageVersion, "delete"): (make.package_version, {}, "package.version_deleted"),
    (Process, "run"): (make.process, {"parameters.customer": "ACME"}, "job.created"),
    (Process, "edit"): (make.process, {}, "process.updated"),
    (Process, "version"): (make.process, {}, "process.upgraded"),
    (Process, "disable"): (make.process, {"reason": "broken"}, "process.disabled"),
    (Process, "enable"): (lambda: processes.disable_process(make.process(), actor=SYSTEM), {}, "process.enabled"),
    (Process, "delete"): (make.process, {}, "process.deleted"),
    (Process, "restore"): (binned(make.process, processes.delete_process), {}, "process.restored"),
    (Job, "stop"): (lambda: make.running_job().job, {}, "job.stop_requested"),
    (Job, "cancel"): (make.job, {"reason": "wrong month"}, "job.cancelled"),
    (Job, "kill"): (lambda: make.running_job().job, {}, "job.killed"),
    (Job, "retry"): (ended_job, {}, "job.retried"),
    (Job, "again"): (make.job, {}, "job.created"),
    (Job, "prioritise"): (make.job, {"priority": "7"}, "job.prioritised"),
    (Job, "resume"): (held_job, {}, "job.resumed"),
    (Job, "settle"): (held_job, {"reason": "booked by hand"}, "job.failed_by_hand"),
    (Artefact, "delete"): (make.artefact, {}, "artefact.deleted"),
    (Queue, "edit"): (make.queue, {"max_attempts": "3"}, "queue.updated"),
    (Queue, "pause"): (make.queue, {"reason": "the bank is down"}, "queue.paused"),
    (Queue, "resume"): (lambda: queues.pause_queue(make.queue(), actor=SYSTEM), {}, "queue.resumed"),
    (Queue, "delete"): (make.queue, {}, "queue.deleted"),
    (Queue, "restore"): (binned(make.queue, queues.delete_queue), {}, "queue.restored"),
    (QueueItem, "requeue"): (failed_item, {}, "item.requeued"),
    (QueueItem, "review"): (failed_item, {"status": "verified", "comment": "booked by hand"}, "item.reviewed"),
    (QueueItem, "prioritise"): (make.item, {"priority": "7"}, "item.prioritised"),
    (QueueItem, "postpone"): (make.item, {"until": "2026-12-24T12:00"}, "item.postponed"),
    (QueueItem, "delete"): (make.item, {}, "item.deleted"),
    (QueueItem, "bring"): (make.item, {"file": A_FILE}, "item.file_written"),
    (ItemFile, "delete"): (make.item_file, {}, "item.file_deleted"),
    (FileStore, "bring"): (make.file_store, {"file": A_FILE, "name": "2026/a.csv"}, "filestore.file_written"),
    (FileStore, "edit"): (make.file_store, {"name": "Other"}, "filestore.updated"),
    (FileStore, "delete"): (make.file_store, {}, "filestore.deleted"),
    (StoredFile, "delete"): (make.stored_file, {}, "filestore.file_deleted"),
    (Asset, "set"): (some(rows.asset), {"value": "y"}, "asset.set"),
    (Asset, "edit"): (some(rows.asset), {"description": "Other"}, "asset.updated"),
    (Asset, "remove"): (asset_of_two_places, {"place": FIRST}, "asset.value_removed"),
    (Asset, "reveal"): (make.credential, {"reason": "locked out"}, "asset.revealed"),
    (CredentialStore, "test"): (own_store, {}, "credentialstore.tested"),
    (CredentialStore, "edit"): (make.credential_store, {"description": "Other"}, "credentialstore.updated"),
    (CredentialStore, "delete"): (make.credential_store, {}, "credentialstore.deleted"),
    (Asset, "delete"): (some(rows.asset), {}, "asset.deleted"),
    (Asset, "restore"): (binned(some(rows.asset), assets.delete_asset), {}, "asset.restored"),
    (NamedLimit, "share"): (limit_beside_a_process, {"process": FIRST, "units": 1}, "limit.updated"),
    (NamedLimit, "edit"): (some(rows.limit), {"capacity": "4"}, "limit.updated"),
    (NamedLimit, "unshare"): (shared_limit, {"process": FIRST}, "limit.updated"),
    (NamedLimit, "delete"): (some(rows.limit), {}, "limit.deleted"),
    (Mail, "again"): (given_up_mail, {}, "mail.requeued"),
    (Tick, "change"): (some(rows.tick), {"seconds": "30", "enabled": "on"}, "tick.changed"),
    (Brake, "lift"): (some(rows.brake), {}, "brake.lifted"),
    (Calendar, "weekly"): (make.calendar, {"weekdays": ["5", "6"], "begins": "18:00"}, "calendar.updated"),
    (Calendar, "days"): (make.calendar, {"label": "Christmas", "first_at": "2026-12-24"}, "calendar.updated"),
    (Calendar, "period"): (
        make.calendar, {"label": "Move", "first_at": "2026-05-01T18:00", "last_at": "2026-05-03T06:00"},
        "calendar.updated"),
    (Calendar, "import"): (make.calendar, {"text": SentAgain("days.ics", ICALENDAR)}, "calendar.imported"),
    (Calendar, "edit"): (make.calendar, {"name": "Other"}, "calendar.updated"),
    (Calendar, "remove"): (make.calendar, {"rules": FIRST}, "calendar.updated"),
    (Calendar, "delete"): (make.calendar, {}, "calendar.deleted"),
    (Trigger, "fire"): (make.trigger, {"parameters.customer": "ACME"}, "trigger.fired"),
    (Trigger, "edit"): (make.trigger, {"due_by": "cron", "configuration.cron": "@daily"}, "trigger.updated"),
    (Trigger, "process"): (make.trigger, {"parameters": "{}"}, "trigger.updated"),
    (Trigger, "disable"): (make.trigger, {"reason": "holidays"}, "trigger.disabled"),
    (Trigger, "enable"): (lambda: make.trigger(enabled=False), {}, "trigger.enabled"),
    (Trigger, "skip"): (make.trigger, {}, "trigger.skip_asked"),
    (Trigger, "unskip"): (
        lambda: triggers.skip_next_time(make.trigger(), actor=SYSTEM), {}, "trigger.skip_withdrawn"),
    (Trigger, "delete"): (make.trigger, {}, "trigger.deleted"),
    (Trigger, "restore"): (binned(make.trigger, triggers.delete_trigger), {}, "trigger.restored"),
    (Machine, "edit"): (make.machine, {"name": "Other", "labels": "linux, gpu"}, "machine.updated"),
    (Machine, "key"): (make.machine, {}, "machine.key_regenerated"),
    (Machine, "delete"): (make.machine, {}, "machine.deleted"),
    (Machine, "restore"): (binned(make.machine, robots.delete_machine), {}, "machine.restored"),
    (EnrolmentKey, "edit"): (make.enrolment_key, {"name": "Other", "networks": "10.0.0.0/8"}, "enrolment_key.updated"),
    (EnrolmentKey, "replace"): (make.enrolment_key, {}, "enrolment_key.replaced"),
    (EnrolmentKey, "revoke"): (make.enrolment_key, {"reason": "leaked"}, "enrolment_key.revoked"),
    (Robot, "edit"): (make.robot, {"name": "Other", "slots": "3"}, "robot.updated"),
    (Robot, "drain"): (make.robot, {}, "robot.drained"),
    (Robot, "undrain"): (lambda: robot_in(robots.drain_robot), {}, "robot.undrained"),
    (Robot, "maintain"): (make.robot, {"reason": "updates"}, "robot.maintenance_started"),
    (Robot, "end-maintenance"): (
        lambda: robot_in(robots.start_maintenance, reason="updates"), {}, "robot.maintenance_ended"),
    (Robot, "clear-error"): (faulty_robot, {}, "robot.error_cleared"),
    (Robot, "enable"): (lambda: robot_in(robots.disable_robot), {}, "robot.enabled"),
    (Robot, "disable"): (make.robot, {}, "robot.disabled"),
    (Robot, "rotate"): (make.robot, {}, "robot.token_rotated"),
    (Robot, "delete"): (make.robot, {}, "robot.deleted"),
    (Robot, "restore"): (binned(make.robot, robots.delete_robot), {}, "robot.restored"),
}  # fmt: skip
EVERY_OPERATION = pytest.mark.parametrize(
    ("model", "name", "maker", "asked", "written"),
    [
        pytest.param(model, name, *rest, id=f"{model._meta.model_name}-{name}")
        for (model, name), rest in OPERATIONS.items()
    ],
)


def operation_of(model: type[Any], name: str) -> Any:
    return next(one for one in admin.site._registry[model].operations if one.name == name)


def filled(visitor: Any, row: Any, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What a browser would send: what stands in the form, with ``asked`` typed over it."""
    form = visitor.get(page_of(row, name)).context["form"]
    shown = {field.html_name: field.value() for field in form if not isinstance(field.value(), bool)}
    ticked = {field.html_name: "on" for field in form if field.value() is True}
    typed = {key: form.fields[key].queryset.first().pk if value is FIRST else value for key, value in asked.items()}
    return {key: value for key, value in {**shown, **ticked, **typed}.items() if value not in (None, [])}


def test_every_operation_is_tried_here():
    pages = admin.site._registry.values()
    there_are = {(page.model, one.name) for page in pages for one in page.operations if one not in sharing.OPERATIONS}

    assert there_are == set(OPERATIONS)


@EVERY_OPERATION
def test_it_is_done_by_its_service_and_written_down(model, name, maker, asked, written):
    row, visitor = maker(), superuser()
    before = AuditEntry.objects.filter(action=written).count()

    response = visitor.do(row, name, **filled(visitor, row, name, asked))

    assert response.status_code in (200, 302), text_of(response)
    assert AuditEntry.objects.filter(action=written).count() == before + 1
    assert AuditEntry.objects.filter(action=written).latest("pk").actor_name == visitor.person.username


@EVERY_OPERATION
def test_asking_for_its_form_changes_nothing(model, name, maker, asked, written):
    row, visitor = maker(), superuser()
    before = AuditEntry.objects.count()

    response = visitor.get(page_of(row, name))

    assert response.status_code == 200
    assert AuditEntry.objects.count() == before


@EVERY_OPERATION
def test_who_may_only_look_is_refused_and_that_is_written_down(model, name, maker, asked, written):
    row = maker()
    view = admin.site._registry[model].view_permission or f"{model._meta.app_label}.view_{model._meta.model_name}"
    visitor = with_permissions(view)

    response = visitor.do(row, name, **asked)

    permission = operation_of(model, name).permission
    assert response.status_code == 403
    assert permission in text_of(response)
    refused = AuditEntry.objects.get(outcome=Outcome.REFUSED)
    assert (refused.permission, refused.target_id, refused.actor_id) == (permission, row.pk, str(visitor.person.pk))


@EVERY_OPERATION
def test_its_button_shows_to_those_who_may_and_not_to_others(model, name, maker, asked, written):
    row = maker()
    view = admin.site._registry[model].view_permission or f"{model._meta.app_label}.view_{model._meta.model_name}"
    address = page_of(row, name)

    assert address in text_of(superuser().open(row))
    assert address not in text_of(with_permissions(view).open(row))


def viewer() -> Role:
    return Role.objects.get(name="Viewer")


#: What is sent to make a row, and what it is called in the trail.
CREATIONS: dict[type[Any], tuple[Callable[[Tenant], dict[str, Any]], str]] = {
    Tenant: (lambda of: {"name": "Umbrella"}, "tenant.created"),
    Folder: (lambda of: {"name": "Invoices", "inside": of.pk}, "folder.created"),
    User: (lambda of: {"kind": "person", "username": "bob", "time_zone": "UTC"}, "user.created"),
    ApiToken: (lambda of: {"name": "ci", "user": make.user().pk, "tenant": of.pk, "life": 90}, "api_key.created"),
    Role: (lambda of: {"name": "Clerk", "permissions_2": ["jobs.view_job"]}, "role.created"),
    Group: (lambda of: {"name": "Clerks", "tenant": of.pk, "claims": "finance"}, "group.created"),
    RoleAssignment: (lambda of: {"user": make.user().pk, "role": viewer().pk, "place": of.pk}, "role.assigned"),
    Package: (lambda of: {"folder": make.folder(of).pk, "file": make.package_file()}, "package.uploaded"),
    Process: (
        lambda of: {"name": "Nightly", "package": rows.package(of).pk, "version_policy": "newest", "priority": 0,
                    "max_attempts": 1, "backoff_base": 10, "backoff_cap": 3600, "on_lost": "retry"}, "process.created"),
    Machine: (lambda of: {"name": "host-1", "tenant": of.pk, "labels": "linux"}, "machine.created"),
    EnrolmentKey: (lambda of: {"name": "fleet", "tenant": of.pk, "slots": 2}, "enrolment_key.created"),
    Queue: (
        lambda of: {"name": "Invoices", "folder": make.folder(of).pk, "max_attempts": 3, "backoff_base": 10,
                    "backoff_cap": 60, "unique_references": "off", "default_priority": 0, "lease_seconds": 300,
                    "most_crashes": 3, "schema": '{"type": "object"}'}, "queue.created"),
    QueueItem: (lambda of: {"payload": "[1, 2]", "reference": "INV-1"}, "items.added"),
    FileStore: (lambda of: {"name": "Rates", "folder": make.folder(of).pk}, "filestore.created"),
    Asset: (lambda of: {"name": "Rate", "folder": make.folder(of).pk, "usable_by": "folder", "notice_days": 14,
                        "value": "7"}, "asset.created"),
    CredentialStore: (lambda of: {"name": "Vault", "tenant": of.pk, "address": "https://v.example", "token": "x",
                                  "mount": "secret"}, "credentialstore.created"),
    NamedLimit: (lambda of: {"name": "SAP", "folder": make.folder(of).pk, "capacity": 3}, "limit.created"),
    Brake: (lambda of: {"place": of.pk, "reason": "the bank is down", "holds_triggers": "on"}, "brake.set"),
    Calendar: (
        lambda of: {"name": "Holidays", "folder": make.folder(of).pk, "time_zone": "UTC", "weekdays": ["6"]},
        "calendar.created"),
    Trigger: (
        lambda of: {"name": "Nightly", "folder": make.folder(of).pk, "due_by": "cron", "configuration.cron": "@daily",
                    "time_zone": "Europe/Berlin", "jitter": 0, "overlap": "skip", "misfire": "skip",
                    "misfire_limit": 1, "misfire_grace": 60, "most_failures": 5, "parameters.customer": "ACME"},
        "trigger.created"),
    Robot: (lambda of: {"name": "robot-1", "machine": make.machine(of).pk, "slots": 2}, "robot.created"),
    BulkChange: (lambda of: {"action": "cancel"}, "jobs.bulk_change_requested"),
    ItemBulkChange: (lambda of: {"action": "delete"}, "items.bulk_change_requested"),
}  # fmt: skip
EVERY_CREATION = pytest.mark.parametrize(
    ("model", "asked", "written"),
    [pytest.param(model, *rest, id=model._meta.label) for model, rest in CREATIONS.items()],
)


def form_for(model: type[Any], place: Tenant) -> str:
    """Where a new row of a model is asked for, once it is known where it shall be."""
    queries: dict[type[Any], Callable[[], str]] = {
        Process: lambda: f"?folder={make.folder(place).pk}",
        BulkChange: lambda: f"?tenant__id__exact={place.pk}",
        Asset: lambda: "?type=integer",
        ItemBulkChange: lambda: f"?queue__id__exact={rows.queue(place).pk}",
        Trigger: lambda: f"?kind=time&process={rows.process(place).pk}",
        QueueItem: lambda: f"?queue={rows.queue(place).pk}",
    }
    return new(model) + queries.get(model, str)()


def test_every_creation_is_tried_here():
    assert {page.model for page in admin.site._registry.values() if page.creation is not None} == set(CREATIONS)


@EVERY_CREATION
def test_a_row_is_made_by_its_service_and_written_down(model, asked, written):
    place, visitor = make.tenant(), superuser()

    response = visitor.post(form_for(model, place), asked(place))

    assert response.status_code in (200, 302), text_of(response)
    acts = set(AuditEntry.objects.filter(actor_name=visitor.person.username).values_list("action", flat=True))
    facts = set(Event.objects.filter(actor_id=str(visitor.person.pk)).values_list("type", flat=True))
    assert written in acts | facts


@pytest.mark.parametrize(
    ("model", "asked"),
    # Everybody may make API keys of their own.
    [
        pytest.param(model, asked, id=model._meta.label)
        for model, (asked, _) in CREATIONS.items()
        if model is not ApiToken
    ],
)
def test_who_may_only_look_cannot_make_one(model, asked):
    place = make.tenant()
    visitor = with_permissions(f"{model._meta.app_label}.view_{model._meta.model_name}", inside=place)
    sent, address = asked(place), form_for(model, place)
    before = model.objects.count()

    response = visitor.post(address, sent)

    assert response.status_code == 403
    assert model.objects.count() == before


def test_one_makes_keys_of_ones_own_and_not_of_others():
    place = make.tenant()
    visitor = with_permissions("jobs.view_job", "accounts.view_user", inside=place)
    sent = {"name": "ci", "tenant": place.pk, "life": 90}

    own = visitor.post(new(ApiToken), {**sent, "user": visitor.person.pk})
    others = visitor.post(new(ApiToken), {**sent, "user": rows.user(place).pk})

    assert own.status_code == 200
    assert "It takes the permission accounts.add_apitoken" in text_of(others)
    assert list(ApiToken.objects.values_list("user", flat=True)) == [visitor.person.pk]


def test_a_new_key_begins_as_ones_own_in_the_one_tenant_there_is():
    place = make.tenant()
    make.tenant()
    visitor = with_permissions("jobs.view_job", inside=place)

    form = visitor.get(new(ApiToken)).context["form"]

    assert (form["user"].value(), form["tenant"].value()) == (visitor.person.pk, place.pk)


def test_a_service_account_is_made_in_its_tenant():
    place = make.tenant()
    visitor = with_permissions("accounts.add_user", "accounts.view_user", inside=place)

    response = visitor.post(new(User), {"kind": "service", "name": "Pipeline", "tenant": place.pk, "time_zone": "UTC"})

    assert response.status_code == 302
    assert User.objects.get(name="Pipeline").tenant == place


def test_ticked_rows_are_handled_each_for_itself_and_refusals_are_told():
    process = make.process()
    waiting, ended = make.job(process), jobs.cancel_job(make.job(process), actor=SYSTEM)
    visitor = superuser()
    ticked = {"action": "cancel", "index": "0", "_selected_action": [waiting.pk, ended.pk]}

    asked = visitor.post(list_of(Job), ticked)
    done = visitor.client.post(list_of(Job), {**ticked, "confirmed": "1", "reason": "all wrong"}, follow=True)

    waiting.refresh_from_db()
    assert "This is done to each of these 2 jobs" in text_of(asked)
    assert waiting.status == JobStatus.CANCELLED
    assert "Cancel: 1 of 2 done." in text_of(done)
    assert "has cancelled already" in text_of(done)
    assert AuditEntry.objects.filter(action="job.cancelled", reason="all wrong").count() == 1


def test_what_is_no_id_cannot_be_ticked():
    response = superuser().post(list_of(Job), {"action": "cancel", "index": "0", "_selected_action": ["nonsense"]})

    assert response.status_code == 404
    assert "ids here are UUIDs" in text_of(response)


def test_rows_of_another_tenant_cannot_be_ticked():
    mine, theirs = make.tenant(), make.tenant()
    foreign = rows.job(theirs)
    visitor = with_permissions("jobs.view_job", "jobs.cancel_job", inside=mine)

    visitor.post(list_of(Job), {"action": "cancel", "index": "0", "confirmed": "1", "_selected_action": [foreign.pk]})

    foreign.refresh_from_db()
    assert foreign.status == JobStatus.PENDING


def test_ticked_rows_one_may_only_see_are_refused_and_that_is_written_down():
    place = make.tenant()
    job = rows.job(place)
    visitor = with_permissions("jobs.view_job", inside=place)
    elsewhere = make.user("jobs.cancel_job", inside=make.tenant())
    visitor.person.role_assignments.add(elsewhere.role_assignments.get(), bulk=False)

    visitor.post(list_of(Job), {"action": "cancel", "index": "0", "confirmed": "1", "_selected_action": [job.pk]})

    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    assert AuditEntry.objects.get(outcome=Outcome.REFUSED).permission == "jobs.cancel_job"


def test_the_action_to_select_all_pages_touches_the_ticked_rows_only():
    process = make.process()
    ticked, other = make.job(process), make.job(process)
    data = {"action": "cancel", "index": "0", "confirmed": "1", "select_across": "1", "_selected_action": [ticked.pk]}

    superuser().post(list_of(Job), data)

    other.refresh_from_db()
    assert other.status == JobStatus.PENDING


def test_what_does_not_make_sense_now_has_no_button():
    job = make.job()

    shown = text_of(superuser().open(job))

    assert page_of(job, "cancel") in shown
    assert page_of(job, "retry") not in shown
    assert page_of(job, "resume") not in shown


def test_a_deleted_row_is_out_of_the_list_and_its_page_only_shows():
    robot = make.robot()
    robots.delete_robot(robot, actor=SYSTEM)
    visitor = superuser()

    listed, opened = visitor.get(list_of(Robot)), visitor.open(robot)

    assert page_of(robot) not in text_of(listed)
    assert opened.status_code == 200
    assert page_of(robot, "edit") not in text_of(opened)


def test_a_moment_is_read_in_the_time_zone_of_who_types_it():
    robot, visitor = make.robot(), superuser()
    accounts.update_profile(visitor.person, actor=visitor.actor, time_zone="Asia/Tokyo")
    tomorrow = (timezone.now() + timedelta(days=1)).date()

    shown = text_of(visitor.get(page_of(robot, "maintain")))
    visitor.do(robot, "maintain", reason="updates", until=f"{tomorrow}T09:00")

    robot.refresh_from_db()
    assert "In your time zone, Asia/Tokyo." in shown
    assert robot.maintenance_until.isoformat() == f"{tomorrow}T00:00:00+00:00"
