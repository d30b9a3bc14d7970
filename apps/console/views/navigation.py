"""What stands in the sidebar: only what the person may open, and numbers only of what they may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from apps.core.actors import Actor
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.jobs.models import Job, JobStatus
from apps.mail.models import Mail, MailStatus
from apps.queues.models import QueueItem, ReviewStatus
from apps.robots.models import Robot
from apps.triggers.models import Trigger

#: A badge never counts further: it says that somebody should look, not how much there is.
MOST_COUNTED = 99


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation."""

    title: str
    icon: str
    name: str
    permission: str = ""
    #: The rows that want somebody's attention.
    wanting: Callable[[Actor], QuerySet[Any]] | None = None
    #: A list that belongs to it without an entry of its own.
    beside: str = ""


def _held_jobs(actor: Actor) -> QuerySet[Job]:
    return Job.objects.visible_to(actor).filter(status=JobStatus.WAITING)


def _items_to_review(actor: Actor) -> QuerySet[QueueItem]:
    return QueueItem.objects.visible_to(actor).alive().filter(review_status=ReviewStatus.OPEN)


def _failing_robots(actor: Actor) -> QuerySet[Robot]:
    return Robot.objects.visible_to(actor).alive().exclude(error="")


def _failing_triggers(actor: Actor) -> QuerySet[Trigger]:
    return Trigger.objects.visible_to(actor).wanting_attention()


def _given_up_mail(actor: Actor) -> QuerySet[Mail]:
    return Mail.objects.visible_to(actor).filter(status=MailStatus.DEAD)


GROUPS: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("", (Place("Dashboard", "dashboard", "index"),)),
    (
        "Automation",
        (
            Place("Packages", "deployed_code", "packages_package_changelist", "packages.view_package",
                  beside="packages_packageversion_changelist"),
            Place("Processes", "account_tree", "processes_process_changelist", "processes.view_process"),
            Place("Jobs", "play_circle", "jobs_job_changelist", "jobs.view_job", _held_jobs,
                  beside="jobs_bulkchange_changelist"),
            Place("Executions", "history", "jobs_execution_changelist", "jobs.view_job",
                  beside="jobs_artefact_changelist"),
            Place("Triggers", "alarm", "triggers_trigger_changelist", "triggers.view_trigger", _failing_triggers,
                  beside="triggers_firing_changelist"),
            Place("Calendars", "calendar_month", "triggers_calendar_changelist", "triggers.view_calendar"),
            Place("Queues", "inbox", "queues_queue_changelist", "queues.view_queue",
                  beside="queues_itembulkchange_changelist"),
            Place("Items", "list_alt", "queues_queueitem_changelist", "queues.view_queueitem", _items_to_review,
                  beside="queues_itemfile_changelist"),
            Place("File stores", "folder_open", "queues_filestore_changelist", "queues.view_filestore",
                  beside="queues_storedfile_changelist"),
            Place("Assets", "key", "assets_asset_changelist", "assets.view_asset"),
            Place("Credential stores", "encrypted", "assets_credentialstore_changelist",
                  "assets.view_credentialstore"),
            Place("Limits", "data_thresholding", "processes_namedlimit_changelist", "processes.view_namedlimit"),
        ),
    ),
    (
        "Infrastructure",
        (
            Place("Machines", "computer", "robots_machine_changelist", "robots.view_machine"),
            Place("Enrolment keys", "vpn_key", "robots_enrolmentkey_changelist", "robots.view_enrolmentkey"),
            Place("Brakes", "emergency_home", "tenancy_brake_changelist", "tenancy.view_brake"),
            Place("Robots", "smart_toy", "robots_robot_changelist", "robots.view_robot", _failing_robots),
        ),
    ),
    (
        "Administration",
        (
            Place("Tenants", "domain", "tenancy_tenant_changelist", "tenancy.view_tenant"),
            Place("Folders", "folder", "tenancy_folder_changelist", "tenancy.view_folder"),
            Place("Users", "group", "accounts_user_changelist", "accounts.view_user"),
            Place("Groups", "groups", "rbac_group_changelist", "rbac.view_group"),
            Place("Roles", "badge", "rbac_role_changelist", "rbac.view_role"),
            Place("Role assignments", "assignment_ind", "rbac_roleassignment_changelist", "rbac.view_roleassignment"),
            Place("API keys", "key", "accounts_apitoken_changelist", "accounts.view_apitoken"),
            Place("Bin", "delete", "bin", "processes.view_process"),
            Place("Settings", "tune", "settings", "configuration.view_setting", beside="retention"),
            Place("Mail", "mail", "mail_mail_changelist", "mail.view_mail", _given_up_mail),
            Place("Schedule", "timer", "console_tick_changelist", "console.view_tick"),
            Place("Audit", "policy", "audit_auditentry_changelist", "audit.view_auditentry"),
            Place("Events", "bolt", "events_event_changelist", "events.view_event"),
        ),
    ),
)  # fmt: skip


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of the sidebar in unfold's terms."""
    groups = [
        {"title": title, "separator": bool(title), "items": [_item(request, place) for place in places]}
        for title, places in ((title, open_places(request, places)) for title, places in GROUPS)
    ]
    return [group for group in groups if group["items"]]


def open_places(request: HttpRequest, places: tuple[Place, ...]) -> list[Place]:
    """Return those of ``places`` that the person may open."""
    site = cast(OperatorSite, admin.site)
    return [place for place in places if not place.permission or site.holds(request, place.permission)]


def address_of(place: Place) -> str:
    """Return where an entry leads."""
    return reverse(f"admin:{place.name}")


def _item(request: HttpRequest, place: Place) -> dict[str, Any]:
    item: dict[str, Any] = {"title": place.title, "icon": place.icon, "link": address_of(place)}
    if place.beside and request.path.startswith(reverse(f"admin:{place.beside}")):
        item["active"] = True
    if place.wanting is not None:
        count = place.wanting(actor_of(request))[: MOST_COUNTED + 1].count()
        if count:
            item |= {"badge": str(count) if count <= MOST_COUNTED else f"{MOST_COUNTED}+", "badge_variant": "warning"}
    return item
