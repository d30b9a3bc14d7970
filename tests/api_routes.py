"""Every address of the canonical API, taken from the routes themselves, and a world of rows to call them on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver

from apps.accounts import services as accounts
from apps.assets import services as assets
from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.api.views import ApiView
from apps.jobs import services as jobs
from apps.jobs.models import BulkAction, LateKind, LateResult
from apps.processes import services as processes
from apps.queues import services as queues
from apps.queues.models import ItemBulkAction
from apps.rbac import services as rbac
from apps.tenancy import services as tenancy
from apps.tenancy.models import Tenant
from orchestrator.urls import api_v1
from tests import make

#: Posts that change nothing.
QUESTIONS = {"packages/preflight", "jobs/bulk-changes/preview", "queue-items/bulk-changes/preview", "triggers/preview"}

#: A calendar of somebody else.
LOGIN = {"username": "ada"}
EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Christmas\r\n"
    "DTSTART;VALUE=DATE:20261225\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@dataclass(frozen=True)
class Route:
    """One method of one address."""

    method: str
    path: str
    view: type[ApiView]
    action: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names_row(self) -> bool:
        return "<str:id>" in self.path

    @property
    def is_own(self) -> bool:
        """Whether it is about whoever asks, and asks for no permission."""
        return self.path.partition("/")[0] in ("me", "auth")

    @property
    def writes(self) -> bool:
        return self.method != "GET" and self.path not in QUESTIONS

    @property
    def takes_file(self) -> bool:
        """Whether what is sent is a file, whatever is in it."""
        return self.method == "PUT" and "/files/" in self.path

    @property
    def collection(self) -> str:
        """What stands before the id."""
        return self.path.partition("/<str:id>")[0]

    def address(self, rows: dict[str, Any]) -> str:
        """The address of a row of ``rows``, which are ids by collection."""
        return (
            self.path.replace("<str:id>", str(rows.get(self.collection)))
            .replace("<str:name>", "main")
            .replace("<str:group>", "retention")
            .replace("<path:path>", "main/1.csv")
        )


def routes() -> list[Route]:
    """Every route that a view of REST framework answers."""
    return sorted(_routes(api_v1), key=str)


def plain_paths() -> set[str]:
    """The addresses that plain Django views answer."""
    return {path for path, callback in _callbacks(api_v1) if not hasattr(callback, "cls")}


def _routes(patterns: list[URLPattern | URLResolver]) -> Iterator[Route]:
    for path, callback in _callbacks(patterns):
        if not hasattr(callback, "cls"):
            continue
        view = callback.cls
        actions = getattr(callback, "actions", None) or {name: name for name in view.http_method_names}
        for method, action in actions.items():
            if (
                method in ("get", "post", "put", "patch", "delete")
                and method in view.http_method_names
                and hasattr(view, action)
            ):
                yield Route(method.upper(), path, view, action)


def _callbacks(patterns: list[URLPattern | URLResolver]) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _callbacks(pattern.url_patterns)
        else:
            yield str(pattern.pattern), pattern.callback


class World:
    """A tenant with one row of each kind, and what is needed to ask for more."""

    def __init__(self) -> None:
        self.tenant = make.tenant()
        self.folder = make.folder(self.tenant)
        self.version = make.package_version(self.folder)
        self.process = make.process(self.folder, package=self.version.package)
        self.execution = make.running_job(self.process)
        self.job = make.job(self.process)
        make.spans(self.execution, "step")
        processes.update_process(self.process, actor=make.SYSTEM, may_start=[self.process])
        robot = make.acting(self.execution.robot)
        self.job_token = str(jobs.start_with_token(self.execution, actor=robot))
        self.child = jobs.start_child(
            self.execution,
            actor=Actor.job(self.execution.pk, "parent", self.tenant.pk),
            process=self.process.name,
            wanted=jobs.Wanted(parameters={}),
        )
        self.artefact = make.artefact(self.execution)
        self.late = LateResult.objects.create(
            tenant_id=self.tenant.pk, lease_id=uuid.uuid4(), job_id=self.job.pk, kind=LateKind.LATE, outcome="completed"
        )
        self.machine = make.machine(self.tenant)
        self.enrolment_key = make.enrolment_key(self.tenant)
        self.robot = make.robot(self.machine)
        self.holder = make.user()
        self.asset, self.asset_robot = make.asset(self.folder), make.robot(self.machine)
        place = assets.Place(robot=self.asset_robot)
        assets.set_value(self.asset, actor=make.SYSTEM, value="there", place=place)
        self.credential = make.credential(self.folder)
        self.credential_store = make.credential_store(self.tenant)
        assets.set_value(self.credential, actor=make.SYSTEM, value=LOGIN, secrets={"password": "x"}, place=place)
        self.queue = make.queue(self.folder)
        self.item = make.item(self.queue)
        self.item_file = make.item_file(self.item, name="main")
        self.store = make.file_store(self.folder)
        self.stored_file = make.stored_file(self.store, path="main/1.csv")
        self.lease = make.taken(make.item(make.queue(self.folder)).queue)
        self.own_lease = make.taken(
            make.item(make.queue(self.folder)).queue,
            holder=make.holder(
                kind="execution",
                id=self.execution.robot_id,
                execution_id=self.execution.pk,
                job_id=self.execution.job_id,
            ),
        )
        self.role = rbac.create_role(f"role-{uuid.uuid4().hex[:8]}", actor=make.SYSTEM, tenant=self.tenant)
        self.assignment = rbac.assign_role(self.role, actor=make.SYSTEM, user=self.holder, tenant=self.tenant)
        self.group = rbac.create_group(f"group-{uuid.uuid4().hex[:8]}", actor=make.SYSTEM, tenant=self.tenant)
        self.member = rbac.add_member(self.group, actor=make.SYSTEM, user=self.holder)
        self.account = accounts.create_service_account(self.tenant, actor=make.SYSTEM, name=f"a-{uuid.uuid4().hex[:8]}")
        self.key, _ = accounts.create_api_key(self.account, actor=make.SYSTEM, tenant=self.tenant, name="key")
        self.brake = tenancy.set_brake(self.tenant, actor=make.SYSTEM, reason="x", holds_dispatch=False)
        self.limit = processes.create_limit(self.folder, actor=make.SYSTEM, name="licence")
        self.trigger = make.trigger(self.process)
        self.calendar = make.calendar(self.folder)
        self.inner = tenancy.create_folder(self.tenant, actor=make.SYSTEM, name="Inner")
        self.change = jobs.request_bulk_change(
            self.tenant,
            actor=Actor.person(make.user(superuser=True)),
            action=BulkAction.CANCEL,
            filters={"reason": ["x"]},
        )
        self.item_change = queues.request_item_change(
            self.tenant,
            actor=Actor.person(make.user(superuser=True)),
            action=ItemBulkAction.REQUEUE,
            filters={"error_code": ["x"]},
        )

    @property
    def rows(self) -> dict[str, Any]:
        """Ids by collection."""
        return {
            "tenants": self.tenant.pk,
            "folders": self.inner.pk,
            "brakes": self.brake.pk,
            "limits": self.limit.pk,
            "users": self.account.pk,
            "service-accounts": self.account.pk,
            "api-keys": self.key.pk,
            "roles": self.role.pk,
            "role-assignments": self.assignment.pk,
            "access/groups": self.group.pk,
            "access/group-members": self.member.pk,
            "packages": self.version.package_id,
            "package-versions": self.version.pk,
            "machines": self.machine.pk,
            "enrolment-keys": self.enrolment_key.pk,
            "robots": self.robot.pk,
            "processes": self.process.pk,
            "assets": self.asset.pk,
            "credentials": self.credential.pk,
            "credential-stores": self.credential_store.pk,
            "queues": self.queue.pk,
            "queue-items": self.item.pk,
            "item-leases": self.lease.lease_id,
            "file-stores": self.store.pk,
            "triggers": self.trigger.pk,
            "calendars": self.calendar.pk,
            "jobs": self.job.pk,
            "jobs/bulk-changes": self.change.pk,
            "queue-items/bulk-changes": self.item_change.pk,
            "executions": self.execution.pk,
            "artefacts": self.artefact.pk,
            "late-results": self.late.pk,
            "audit": AuditEntry.objects.filter(tenant_id=self.tenant.pk).latest("seq").pk,
        }

    @property
    def bodies(self) -> dict[str, Any]:
        """A right body for each write that needs one."""
        return {
            "POST tenants": {"name": "New", "slug": f"new-{uuid.uuid4().hex[:8]}"},
            "PATCH tenants/<str:id>": {"name": "Other"},
            "PUT tenants/<str:id>/quotas": {"robots": 100},
            "POST folders": {"name": "New"},
            "PATCH folders/<str:id>": {"name": "Other"},
            "POST brakes": {"reason": "the bank is down", "holds_dispatch": False},
            "POST limits": {"name": "new", "capacity": 2, "processes": [{"process": self.process.pk, "units": 2}]},
            "PATCH limits/<str:id>": {"capacity": 3},
            "POST service-accounts": {"name": "new"},
            "POST api-keys": {"name": "new", "user": self.account.pk},
            "PUT settings/<str:group>": {"jobs_retention_days": 7},
            "POST settings/email/test": {"to": "ann@example.com"},
            "POST roles": {"name": "New", "tenant": self.tenant.pk, "permissions": []},
            "PATCH roles/<str:id>": {"description": "Other"},
            "POST role-assignments": {"role": self.role.pk, "user": self.account.pk, "tenant": self.tenant.pk},
            "POST access/groups": {"name": "New", "tenant": self.tenant.pk},
            "PATCH access/groups/<str:id>": {"description": "Other"},
            "POST access/group-members": {"group": self.group.pk, "user": self.account.pk},
            "POST machines": {"name": "new"},
            "PATCH machines/<str:id>": {"description": "Other"},
            "POST enrolment-keys": {"name": "new", "most_uses": 3},
            "PATCH enrolment-keys/<str:id>": {"slots": 2},
            "POST robots": {"name": "new", "machine": self.machine.pk},
            "PATCH robots/<str:id>": {"slots": 2},
            "POST robots/bulk": {"action": "drain", "filters": {"robots": [str(self.robot.pk)]}},
            "POST robots/<str:id>/start-maintenance": {"reason": "new disk"},
            "POST processes": {"name": "new", "package": self.version.package_id},
            "PATCH processes/<str:id>": {"priority": 3},
            "POST assets": {"name": "new", "type": "text", "value": "x"},
            "PATCH assets/<str:id>": {"description": "Other"},
            "POST assets/<str:id>/set-value": {"value": "y"},
            "POST assets/<str:id>/remove-value": {"robot": self.asset_robot.pk},
            "POST credentials": {"name": "login", "kind": "password", "value": LOGIN, "secrets": {"password": "x"}},
            "PATCH credentials/<str:id>": {"description": "Other"},
            "POST credentials/<str:id>/set-value": {"value": LOGIN, "secrets": {"password": "y"}},
            "POST credentials/<str:id>/remove-value": {"robot": self.asset_robot.pk},
            "POST assets/<str:id>/reveal": {"reason": "to look"},
            "POST credentials/<str:id>/reveal": {"reason": "to look"},
            "POST credential-stores": {
                "name": "new",
                "type": "hashicorp_vault",
                "address": "https://v.example",
                "token": "x",
            },
            "PUT credential-stores/<str:id>": {"description": "Other"},
            "PATCH credential-stores/<str:id>": {"description": "Other"},
            "POST queues": {"name": "new"},
            "PATCH queues/<str:id>": {"max_attempts": 3},
            "POST queue-items": {"queue": self.queue.pk, "payload": {"number": 1}},
            "POST queue-items/bulk": {"queue": self.queue.pk, "items": [{}, {"reference": "x"}]},
            "POST queue-items/<str:id>/postpone": {"until": "2020-01-01T00:00:00Z"},
            "POST queue-items/<str:id>/prioritise": {"priority": 3},
            "POST queue-items/<str:id>/review": {"status": "verified"},
            "POST file-stores": {"name": "new"},
            "PATCH file-stores/<str:id>": {"description": "Other"},
            "POST queue-items/bulk-changes": {"action": "requeue", "filters": {"status": ["failed"]}},
            "POST queue-items/bulk-changes/preview": {"action": "requeue", "filters": {"status": ["failed"]}},
            "POST item-leases/<str:id>/finish": {"status": "done"},
            "POST item-leases/finish": {"reports": [{"lease": str(self.lease.lease_id), "status": "done"}]},
            "POST jobs": {"process": self.process.pk},
            "POST jobs/bulk": {"process": self.process.pk, "jobs": [{}, {}]},
            "POST jobs/<str:id>/prioritise": {"priority": 3},
            "POST jobs/<str:id>/fail": {"reason": "seen"},
            "POST jobs/bulk-changes": {"action": "cancel", "filters": {"status": ["pending"]}},
            "POST jobs/bulk-changes/preview": {"action": "cancel", "filters": {"status": ["pending"]}},
            "POST triggers": {
                "name": "new",
                "kind": "time",
                "configuration": {"cron": "@daily"},
                "process": self.process.pk,
            },
            "PATCH triggers/<str:id>": {"jitter": 3},
            "POST triggers/preview": {"configuration": {"cron": "@daily"}},
            "POST calendars": {"name": "new", "rules": [{"kind": "weekly", "weekdays": [6]}]},
            "PATCH calendars/<str:id>": {"description": "Other"},
            "POST calendars/<str:id>/import": {"text": EVENT},
            "POST packages/preflight": {"name": "some", "version": "1.0.0"},
        }

    def body(self, route: Route) -> Any:
        """What to send to a route, or nothing."""
        return self.bodies.get(str(route))


def headers(tenant: Tenant) -> dict[str, str]:
    """What names a tenant in a create."""
    return {"X-Tenant": tenant.slug}
