"""Every page in a wide and a narrow window, light and dark: nothing sticks out, nothing is refused by its policy."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.accounts.models import ApiToken, User
from apps.audit.models import AuditEntry
from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import BulkAction, Execution, Job
from apps.jobs.rules.reports import End
from apps.packages.models import Package
from apps.processes.models import Process
from apps.queues import services as queues
from apps.queues.models import Queue, QueueItem
from apps.rbac import services as rbac
from apps.rbac.models import Role, RoleAssignment
from apps.robots import services as robots
from apps.robots.models import Machine, Robot
from apps.tenancy.models import Folder, Tenant
from apps.triggers import services as triggers
from apps.triggers.models import Calendar, Firing, Trigger
from tests import make
from tests.admin import rows
from tests.e2e.conftest import NARROW, WIDE
from tests.e2e.hands import ByHand

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LISTS = (
    Package, Process, Job, Execution, Trigger, Firing, Calendar, Queue, QueueItem, Machine, Robot, Tenant, Folder, User,
    Role, RoleAssignment, ApiToken, AuditEntry, Event,
)  # fmt: skip
FORMS = (Package, Queue, Calendar, Machine, Robot, Tenant, Folder, User, Role, RoleAssignment, ApiToken)
OPERATIONS = (
    (Process, "run"),
    (Process, "edit"),
    (Process, "share"),
    (Process, "unshare"),
    (Queue, "edit"),
    (Trigger, "edit"),
    (Trigger, "simulate"),
    (Calendar, "weekly"),
    (Machine, "key"),
    (Robot, "edit"),
    (Robot, "maintain"),
    (User, "edit"),
)


def furnish() -> None:
    """One of everything, with names and texts as long as they come."""
    place = make.tenant("A tenant with quite a long name, Insurance & Sons")
    folder = make.folder(place)
    process = make.process(folder, name="Monthly invoices of every subsidiary", description="Adds up. " * 20)
    robot = ByHand(
        make.machine(place, name="rpa-host-with-a-long-name-01.example.org", labels=["linux", "gpu", "excel"])
    )
    make.job(process, parameters={"customer": "ACME " * 30, "amount": 12})
    robot.take()
    robot.write(("INFO", "begins"), ("WARN", "slow " * 60), ("ERROR", "it broke"))
    error = {"type": "ValueError", "message": "no column “amount” " * 6, "traceback": "  File main.py, line 1\n" * 12}
    robot.end(End.FAILED, error=error, exit_code=1)
    for _ in range(3):
        make.job(process)
    furnish_queue(folder)
    robots.start_maintenance(make.robot(of=place), actor=make.SYSTEM, reason="Windows updates on the second floor")
    rbac.share_object(process, actor=make.SYSTEM, user=rows.user(place), permission="processes.view_process")
    calendar = make.calendar(folder, name="Holidays of every subsidiary")
    trigger = make.trigger(
        process, name="Monthly invoices at dawn", calendar=calendar, configuration={"cron": "@daily"}
    )
    triggers.fire_trigger(trigger, actor=make.SYSTEM)
    rows.api_key(place)
    rows.assignment(place)
    jobs.request_bulk_change(place, actor=make.SYSTEM, action=BulkAction.CANCEL, filters={"status": ["pending"]})


def furnish_queue(folder: Folder) -> None:
    """A queue with items that wait, are done and have failed."""
    properties = {"customer": {"type": "string", "description": "Who pays. " * 9}, "lines": {"type": "array"}}
    queue = make.queue(
        folder,
        name="Invoices of every subsidiary",
        description="From the scanner. " * 20,
        schema={"properties": properties},
    )
    make.items(queue, *[{"customer": "ACME " * 20}] * 6, reference="INV-2026-11-0000-A-LONG-ONE", tags=["vip", "north"])
    queues.finish_item(make.taken(queue), actor=make.SYSTEM, report=queues.Report("done", result={"number": 7}))
    failed = {"error_type": "business", "error_code": "NO_SUCH_CUSTOMER", "error_reason": "not in the ledger " * 12}
    for _ in range(2):
        queues.finish_item(make.taken(queue), actor=make.SYSTEM, report=queues.Report("failed", **failed))


def pages() -> dict[str, str]:
    """What to look at: a name for the picture, and the address."""
    found = {"dashboard": "/admin/", "account": reverse("admin:accounts_user_me")}
    found |= {"settings": reverse("admin:settings"), "retention": reverse("admin:retention")}
    found |= {f"list-{model._meta.model_name}": address(model, "changelist") for model in LISTS}
    found |= {f"page-{model._meta.model_name}": address(model, "change", model.objects.last()) for model in LISTS}
    found["page-queueitem"] = address(QueueItem, "change", failed_item())
    found["page-failed-job"] = address(Job, "change", Job.objects.exclude(error=None).get())
    found |= {f"new-{model._meta.model_name}": address(model, "add") for model in FORMS}
    found["new-process"] = f"{address(Process, 'add')}?folder={Folder.objects.first().pk}"
    found |= {
        f"{model._meta.model_name}-{name}": address(model, name, model.objects.last()) for model, name in OPERATIONS
    }
    found["queueitem-review"] = address(QueueItem, "review", failed_item())
    found["new-queueitem"] = f"{address(QueueItem, 'add')}?queue={Queue.objects.get().pk}"
    found["item-job"] = f"{reverse('admin:queues_queueitem_job')}?queue__id__exact={Queue.objects.get().pk}"
    found["new-trigger"] = f"{address(Trigger, 'add')}?kind=queue&process={Process.objects.latest('pk').pk}"
    found["bulk-change"] = (
        f"{address(Job, 'changelist').replace('jobs/job', 'jobs/bulkchange')}add/?status__exact=pending"
    )
    return found


def failed_item() -> QueueItem:
    return QueueItem.objects.filter(status="failed").latest("pk")


def address(model: type, name: str, row: object = None) -> str:
    arguments = [row.pk] if row is not None else []
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=arguments)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_page_sticks_out_of_its_window(watched, administrator, viewport, theme):
    furnish()
    watched.sign_in(administrator)
    size = "wide" if viewport == WIDE else "narrow"

    sticking_out = {}
    for name, path in pages().items():
        page = watched.open(path)
        sticking_out[name] = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        watched.keep(f"look-{name}-{size}-{theme}")

    assert {name: width for name, width in sticking_out.items() if width > 0} == {}


def test_the_description_of_the_api_gets_by_with_the_stricter_policy(watched, administrator):
    watched.sign_in(administrator)

    watched.open("/api/v1/docs")

    watched.page.locator(".swagger-ui .info").wait_for(timeout=60_000)


def test_the_navigation_opens_in_a_narrow_window(watched, administrator):
    watched.page.set_viewport_size(NARROW)
    page = watched.sign_in(administrator)

    page.get_by_role("button", name="Open the navigation").click()
    page.locator("#nav-sidebar").get_by_text("Robots", exact=True).click()

    page.wait_for_url("**/admin/robots/robot/")


def test_the_palette_finds_a_page_by_typing(watched, administrator):
    page = watched.sign_in(administrator)

    page.keyboard.press("Control+k")
    page.locator("#search-input-command").press_sequentially("proc")
    page.locator("#command-results").get_by_text("Processes").wait_for()
    watched.keep("look-palette")
