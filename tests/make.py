"""Plain functions that make rows. Ask for what the test is about; the rest is filled in."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from django.contrib.auth.models import Permission

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.assets import services as assets
from apps.assets.models import Asset, CredentialStore
from apps.core.actors import Actor
from apps.core.files.shelves import Upload
from apps.jobs import services as jobs
from apps.jobs.models import Artefact, Execution, Job, Span
from apps.jobs.rules import traces
from apps.packages import services as packages
from apps.packages.models import PackageVersion
from apps.packages.rules import validation
from apps.processes import services as processes
from apps.processes.models import Process
from apps.queues import services as queues
from apps.queues.models import FileStore, ItemFile, ItemLease, Queue, QueueItem, StoredFile
from apps.rbac import services as rbac
from apps.robots import services as robots
from apps.robots.models import EnrolmentKey, Machine, Robot, RobotSession
from apps.runner import services as runner
from apps.tenancy import services as tenancy
from apps.tenancy.models import Folder, Tenant
from apps.triggers import services as triggers
from apps.triggers.models import Calendar, Trigger

SYSTEM = Actor.system("test")
PASSWORD = "correct horse battery staple"
_numbers = count(1)


def tenant(name: str = "") -> Tenant:
    """A tenant of its own; its slug is never used before, not by another test process either."""
    return tenancy.create_tenant(name or "Tenant", slug=f"t{next(_numbers)}-{uuid.uuid4().hex[:8]}", actor=SYSTEM)


def folder(of: Tenant | None = None) -> Folder:
    """The default folder of a tenant."""
    return Folder.objects.get(tenant=of or tenant(), is_default=True)


def user(*permissions: str, inside: Tenant | Folder | None = None, staff: bool = True, superuser: bool = False) -> User:
    """A person who holds exactly ``permissions``, such as ``"jobs.cancel_job"``, in a place or everywhere."""
    number = next(_numbers)
    person = accounts.create_user(
        f"user-{number}-{uuid.uuid4().hex[:6]}", actor=SYSTEM, password=None, is_staff=staff, is_superuser=superuser
    )
    if permissions:
        role = rbac.create_role(f"role-{number}-{uuid.uuid4().hex[:6]}", actor=SYSTEM, permissions=_named(permissions))
        where = {"folder": inside} if isinstance(inside, Folder) else {"tenant": inside}
        rbac.assign_role(role, actor=SYSTEM, user=person, **where)
    return person


def service_account(inside: Tenant, *permissions: str) -> User:
    """An account for programs that holds exactly ``permissions`` in its tenant."""
    account = accounts.create_service_account(inside, actor=SYSTEM, name=f"account-{next(_numbers)}")
    name = f"role-{next(_numbers)}-{uuid.uuid4().hex[:6]}"
    role = rbac.create_role(name, actor=SYSTEM, permissions=_named(permissions))
    rbac.assign_role(role, actor=SYSTEM, user=account, tenant=inside)
    return account


def api_key(person: User, of: Tenant) -> str:
    """The text of a key with which ``person``'s programs call the API in a tenant."""
    _, text = accounts.create_api_key(person, actor=SYSTEM, tenant=of, name="test")
    return text


def package_file(name: str = "", version: str = "1.0.0", source: str = "", **members: str) -> io.BytesIO:
    """A ``.bvpackage`` in memory with one entrypoint ``main:main``."""
    name = name or f"package-{next(_numbers)}"
    project = f"""project:
  name: {name}
  type: rpa
  version: '{version}'
  entrypoints:
    - name: main
      command: main:main
      default: true
"""
    entrypoints = {"entryPoints": [{"name": "main", "filePath": "main.py", "function": "main", "default": True}]}
    files = {
        "bvproject.yaml": project,
        "main.py": source
        or f"def main(customer: str = 'x', amount: int = 1):\n    return {{'unique': '{uuid.uuid4()}'}}\n",
        "requirements.lock": "",
        "manifest.json": "{}",
        "entry-points.json": json.dumps(entrypoints),
    } | members
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in files.items():
            archive.writestr(member, text)
    file.seek(0)
    return file


def package_version(inside: Folder | None = None, **contents: Any) -> PackageVersion:
    """A published version of a package."""
    file = package_file(**contents)
    report = validation.validate(file)
    file.seek(0)
    return packages.publish_version(inside or folder(), actor=SYSTEM, report=report, file=file)


def process(inside: Folder | None = None, **fields: Any) -> Process:
    """A process of a package of its own."""
    inside = inside or folder()
    if "package" not in fields and "script_path" not in fields:
        fields["package"] = package_version(inside).package
    name = fields.pop("name", f"process-{next(_numbers)}")
    return processes.create_process(inside, actor=SYSTEM, name=name, **fields)


def machine(of: Tenant | None = None, **fields: Any) -> Machine:
    """A machine."""
    name = fields.pop("name", f"machine-{next(_numbers)}")
    return robots.create_machine(of or tenant(), actor=SYSTEM, name=name, **fields)[0]


def enrolment_key(of: Tenant | None = None, **fields: Any) -> EnrolmentKey:
    """A key with which many machines enrol."""
    return enrolment_key_with_text(of, **fields)[0]


def enrolment_key_with_text(of: Tenant | None = None, **fields: Any) -> tuple[EnrolmentKey, str]:
    """A key with which many machines enrol, and its text."""
    name = fields.pop("name", f"fleet-{next(_numbers)}")
    return robots.create_enrolment_key(of or tenant(), actor=SYSTEM, name=name, **fields)


def robot(on: Machine | None = None, of: Tenant | None = None, **fields: Any) -> Robot:
    """A robot without a session."""
    return robot_with_token(on, of, **fields)[0]


def robot_with_token(on: Machine | None = None, of: Tenant | None = None, **fields: Any) -> tuple[Robot, str]:
    """A robot, and the text of its token."""
    name = fields.pop("name", f"robot-{next(_numbers)}")
    return robots.create_robot(on or machine(of), actor=SYSTEM, name=name, **fields)


def acting(as_robot: Robot) -> Actor:
    """A robot as an actor."""
    return Actor.robot(as_robot.pk, as_robot.name, as_robot.tenant_id)


def session(of: Robot, **facts: Any) -> RobotSession:
    """A current session of a robot."""
    newcomer = robots.Newcomer(**{"instance_id": uuid.uuid4(), "agent": {"version": "1.0.0"}} | facts)
    return runner.open_session(of, actor=acting(of), newcomer=newcomer).session


def job(of: Process | None = None, **wanted: Any) -> Job:
    """A pending job."""
    asked = jobs.Wanted(**{"parameters": {}} | wanted)
    return jobs.create_job(of or process(), actor=SYSTEM, wanted=asked)


def claimed(by: RobotSession) -> Execution:
    """The execution of the job a session is given next; fails where it is given none."""
    wish = uuid.uuid4()
    granted = jobs.claim_jobs(by, actor=acting(by.robot), wishes=[wish])
    return Execution.objects.select_related("job", "robot").get(pk=granted[wish])


def running_job(of: Process | None = None, **wanted: Any) -> Execution:
    """A job that a robot of its tenant has begun; returns the open execution."""
    waiting = job(of, **wanted)
    worker = session(robot(of=waiting.tenant))
    execution = claimed(worker)
    return jobs.start_execution(execution, actor=acting(worker.robot))


def artefact(of: Execution | None = None, content: bytes = b"a file", **told: Any) -> Artefact:
    """A file that a running job has left."""
    execution = of or running_job()
    digest = hashlib.sha256(content).hexdigest()
    facts = {"name": f"file-{next(_numbers)}.txt", "content_type": "", "told_sha256": digest} | told
    with jobs.ARTEFACTS.incoming() as file:
        file.write(content)
        file.flush()
        upload = Upload(file=file, size_bytes=len(content), sha256=digest, **facts)
        return jobs.keep_artefact(execution, actor=acting(execution.robot), upload=upload).artefact


def spans(of: Execution, *names: str, **facts: Any) -> list[Span]:
    """Steps that a running job traced, one after the other; the name of each is its id too."""
    told = [traces.Traced(**{"span_id": name, "name": name} | facts) for name in names]
    jobs.record_spans(of, actor=acting(of.robot), spans=told)
    return list(Span.of(of.pk).order_by("seq"))


def asset(inside: Folder | None = None, **fields: Any) -> Asset:
    """An asset; a text where nothing else is said."""
    inside = fields.pop("folder", inside) or folder()
    facts = {"name": f"asset-{next(_numbers)}", "type": "text", "value": "x"} | fields
    return assets.create_asset(inside, actor=SYSTEM, **facts)


def credential_store(of: Tenant | None = None, **fields: Any) -> CredentialStore:
    """A store of others, which is not there where nothing is said."""
    facts = {"type": "hashicorp_vault", "address": "https://127.0.0.1.invalid", "token": "vault-canary"}
    name = {"name": f"store-{next(_numbers)}"}
    return assets.create_store(of or tenant(), actor=SYSTEM, **facts | name | fields)


def credential(inside: Folder | None = None, **fields: Any) -> Asset:
    """A credential; a user name and a password where nothing else is said."""
    login = {"kind": "password", "value": {"username": "ada"}, "secrets": {"password": "hunter2-canary"}}
    return asset(inside, type="credential", **login | fields)


def queue(inside: Folder | None = None, **fields: Any) -> Queue:
    """A queue."""
    name = fields.pop("name", f"queue-{next(_numbers)}")
    return queues.create_queue(inside or folder(), actor=SYSTEM, name=name, **fields)


def items(of: Queue | None = None, *payloads: Any, **wanted: Any) -> list[QueueItem]:
    """Items that wait in a queue, one for each payload."""
    asked = [queues.Wanted(payload=payload, **wanted) for payload in payloads or ({},)]
    return queues.add_items(of or queue(), actor=SYSTEM, wanted=asked)


def item(of: Queue | None = None, **wanted: Any) -> QueueItem:
    """An item that waits in a queue."""
    return items(of, wanted.pop("payload", {}), **wanted)[0]


@contextmanager
def upload(content: bytes = b"a file", **told: Any) -> Iterator[Upload]:
    """A file that has arrived, on the shelf of items and stores."""
    facts = {"name": f"file-{next(_numbers)}.txt", "content_type": ""} | told
    with queues.FILES.incoming() as file:
        file.write(content)
        file.flush()
        yield Upload(file=file, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), **facts)


def item_file(of: QueueItem | None = None, content: bytes = b"a file", **told: Any) -> ItemFile:
    """A file of an item."""
    with upload(content, **told) as arrived:
        return queues.write_item_file(of or item(), actor=SYSTEM, upload=arrived).file


def file_store(inside: Folder | None = None, **fields: Any) -> FileStore:
    """An empty file store."""
    name = fields.pop("name", f"store-{next(_numbers)}")
    return queues.create_store(inside or folder(), actor=SYSTEM, name=name, **fields)


def stored_file(of: FileStore | None = None, content: bytes = b"a file", *, path: str = "", **told: Any) -> StoredFile:
    """A file of a store."""
    with upload(content, **{"name": path or f"some/{next(_numbers)}.txt"} | told) as arrived:
        return queues.write_stored_file(of or file_store(), actor=SYSTEM, upload=arrived).file


def holder(**facts: Any) -> queues.Holder:
    """Somebody who works on items."""
    return queues.Holder(**{"kind": "service", "id": uuid.uuid4()} | facts)


def taken(of: Queue | None = None, **how: Any) -> ItemLease:
    """The lease of the next item of a queue, which somebody works on now; an item is added where none is given."""
    source = of or item().queue
    [lease] = queues.take_items(source, actor=SYSTEM, holder=how.pop("holder", holder()), **how)
    return lease


def trigger(of: Process | None = None, **fields: Any) -> Trigger:
    """A trigger of a process; every minute where nothing else is said."""
    runs = of or process()
    wanted = {"kind": "time", "name": f"trigger-{next(_numbers)}", "process": runs} | fields
    wanted.setdefault("configuration", {"every": 60} if wanted["kind"] == "time" else {})
    return triggers.create_trigger(wanted.pop("folder", runs.folder), actor=SYSTEM, **wanted)


def calendar(of: Folder | None = None, **fields: Any) -> Calendar:
    """A calendar; silent at weekends where nothing else is said."""
    wanted: dict[str, Any] = {"name": f"calendar-{next(_numbers)}"} | fields
    wanted.setdefault("rules", [{"kind": "weekly", "label": "weekend", "weekdays": [5, 6]}])
    return triggers.create_calendar(of or folder(), actor=SYSTEM, **wanted)


def _named(permissions: tuple[str, ...]) -> list[Permission]:
    parts = [permission.split(".") for permission in permissions]
    return [Permission.objects.get(content_type__app_label=app, codename=code) for app, code in parts]
