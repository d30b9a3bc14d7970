"""Pages of processes, and running one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.accounts.admin import sharing
from apps.core.actors import Actor
from apps.core.admin import bins, display
from apps.core.admin.access import Links
from apps.core.admin.filters import RelatedFilter, choice, yes_no
from apps.core.admin.forms import OperatorForm, ReasonForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import AnyPanel, Facts, Page, Table, Text
from apps.jobs.admin import running, states
from apps.jobs.admin.process_forms import ProcessForm, VersionForm
from apps.jobs.models import Job
from apps.packages.admin import signatures
from apps.processes import services
from apps.processes.models import NothingToRun, Process, VersionPolicy
from apps.rbac import services as rbac
from apps.tenancy.admin.places import folders_where
from apps.tenancy.models import Folder

#: How many jobs the page of a process shows.
JOBS_SHOWN = 10
TRIGGERS_SHOWN = 20
_AS_ROBOT = "as its robot says"


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Process, None]:
    return services.create_process(asked.pop("folder"), actor=actor, **asked), None


def _change(process: Process, *, actor: Actor, **asked: Any) -> Process:
    return services.update_process(process, actor=actor, **asked)


class NewProcessForm(ProcessForm):
    """The same for a process that is not there yet, in a folder that is chosen."""

    def clean(self) -> dict[str, Any]:
        return {**super().clean(), "folder": self.place}


@display.column("Status")
def state(process: Process) -> SafeString:
    """Say whether its jobs run."""
    if process.deleted_at is not None:
        return display.badge("deleted", "bad")
    return display.badge("enabled", "good") if process.enabled else display.badge("disabled", "care")


@display.column("Runs")
def runs(process: Process) -> SafeString | str:
    """Name the package and version, or the script."""
    if process.package is None:
        return format_html('<span class="op-mono">{}</span>', process.script_path)
    pinned = process.pinned_version
    return f"{process.package.name} {pinned.version}" if pinned is not None else f"{process.package.name}, newest"


@admin.register(Process)
class ProcessAdmin(OperatorAdmin):
    """What can be run."""

    list_display = [
        "name",
        state,
        runs,
        display.column("Kind")(lambda process: process.get_kind_display()),
        "priority",
        display.linked("folder", "Folder"),
        display.linked("tenant", "Tenant"),
        display.when("created_at", "Made"),
    ]
    list_filter = [
        ("tenant", RelatedFilter),
        ("folder", RelatedFilter),
        yes_no("enabled"),
        choice("kind"),
        ("package", RelatedFilter),
    ]
    list_select_related = ["folder", "tenant", "package", "pinned_version"]
    linked_rows = ["folder", "tenant"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    empty_title = "No processes yet"
    empty_text = (
        "A process says what runs, with which defaults, on which robots. Upload a package first, then make one of it."
    )
    empty_icon = "account_tree"
    creation = Creation(
        title="Add a process",
        permission="processes.add_process",
        form=NewProcessForm,
        make=_make,
        explain="A name and a package are enough; everything else has a sensible default and can be changed later.",
    )
    operations = [
        Operation(
            name="run",
            title="Run now",
            permission="processes.run_process",
            service=running.run_now,
            explain="Makes one job with these parameters.",
            form=running.RunForm,
            icon="play_arrow",
            tone="main",
            done="The job is in line.",
            applies=lambda process: process.enabled,
            then=lambda process, job: job,
            is_main=True,
        ),
        Operation(
            name="edit",
            title="Edit",
            permission="processes.change_process",
            service=_change,
            explain="Jobs already made keep what they were made for; limits apply at once.",
            form=ProcessForm,
            initial=lambda process: model_to_dict(process),
            icon="edit",
            button="Save",
            done="The process is changed.",
            is_main=True,
        ),
        Operation(
            name="version",
            title="Change version",
            permission="processes.change_process",
            service=services.upgrade_process,
            explain=lambda process: f"Pins it to one version. It runs {runs(process)} now.",
            form=VersionForm,
            icon="upgrade",
            done="The version is changed.",
            applies=lambda process: process.package_id is not None,
        ),
        Operation(
            name="disable",
            title="Disable",
            permission="processes.change_process",
            service=services.disable_process,
            explain="Its jobs wait in line until it is enabled, and it takes no new ones. What runs goes on.",
            form=ReasonForm,
            icon="pause_circle",
            done="The process is disabled.",
            applies=lambda process: process.enabled,
            is_bulk=True,
        ),
        Operation(
            name="enable",
            title="Enable",
            permission="processes.change_process",
            service=services.enable_process,
            explain="Its jobs may start again.",
            icon="play_circle",
            done="The process is enabled.",
            applies=lambda process: not process.enabled,
            is_bulk=True,
            is_main=True,
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="processes.delete_process",
            service=services.delete_process,
            explain="It goes out of every list; its jobs and their history stay. Refused while jobs are unfinished.",
            icon="delete",
            tone="danger",
            done="The process is deleted.",
            ends_row=True,
        ),
        bins.restoration(
            "processes.delete_process",
            services.restore_process,
            "It comes back as it was; its triggers fire again. Its package must not be in the bin.",
        ),
        *sharing.OPERATIONS,
    ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the folder first: it decides which packages and robots there are to choose from."""
        folders = folders_where(self.actor(request), "processes.add_process")
        folder = _chosen(folders, request.GET.get("folder", ""))
        if folder is None and self.has_add_permission(request):
            context = {"folders": folders, "creation": self.creation, "title": self.creation.title}
            return self.render(request, "processes/choose_folder.html", **context)
        request.folder = folder  # type: ignore[attr-defined]
        return super().add_view(request, form_url, extra_context)

    def _form(self, request: HttpRequest, form: type[OperatorForm], **about: Any) -> OperatorForm:
        """Begin with the package that the reader came from."""
        initial = {**about.pop("initial", {})}
        if "package" in request.GET and "row" not in about:
            initial["package"] = request.GET["package"]
        return super()._form(request, form, place=getattr(request, "folder", None), initial=initial, **about)

    def page(self, request: HttpRequest, row: Process) -> Page:
        actor, link = self.actor(request), self.links(request)
        jobs = _recent_jobs(row, actor)
        main: list[AnyPanel] = [jobs, *_triggers(row, actor), *_what_runs(row), _defaults(row)]
        return Page(
            badges=[state(row), display.badge(row.get_kind_display())],
            lead=row.description,
            notices=_notices(row),
            main=main,
            side=[
                _source(row, link),
                _tries(row),
                _where(row, link),
                _use(row),
                _children(row, actor),
                *sharing.panels(row, actor),
            ],
        )


def _chosen(folders: Any, identity: str) -> Folder | None:
    """Return the folder that was asked for, or the only one there is."""
    try:
        wanted = UUID(identity)
    except ValueError:
        first = list(folders[:2])
        return first[0] if len(first) == 1 else None
    found: Folder | None = folders.filter(pk=wanted).first()
    return found


def _notices(process: Process) -> list[str]:
    try:
        if process.package is not None:
            process.entrypoint_to_run(process.version_to_run())
    except NothingToRun as refusal:
        return [str(refusal)]
    return []


def _recent_jobs(process: Process, actor: Actor) -> Table:
    jobs = Job.objects.visible_to(actor).filter(process=process).order_by("-pk")[:JOBS_SHOWN]
    rows = [
        [
            display.link(job, display.short(job.pk)),
            states.job_status(job),
            display.moment(job.created_at),
            states.took(job),
        ]
        for job in jobs
    ]
    more = (display.list_of(Job, process__id__exact=process.pk, since="all"), "All its jobs")
    empty = "It has not run yet: press “Run now”."
    return Table("Latest jobs", ["Job", "Status", "Made", "Took"], rows, empty, more if rows else None, "play_circle")


def _triggers(process: Process, actor: Actor) -> list[AnyPanel]:
    """Return what makes its jobs by itself, as far as the reader may see it, and the way to more of that."""
    found = process.triggers.alive().visible_to(actor).order_by("name")[:TRIGGERS_SHOWN]
    rows = [
        [display.link(one), one.in_words, display.moment(one.next_fire_at if one.is_due else None)] for one in found
    ]
    may_add = process.deleted_at is None and rbac.allows(actor, "triggers.add_trigger", process)
    more = (f"{reverse('admin:triggers_trigger_add')}?process={process.pk}", "Add a trigger") if may_add else None
    empty = "Nothing makes its jobs by itself."
    return [Table("Triggers", ["Trigger", "Due", "Next"], rows, empty, more, icon="alarm")] if rows or more else []


def _defaults(process: Process) -> Text:
    empty = "It has none: a job is given its own, or what the code sets."
    return Text.of_json("Default parameters", process.parameters, empty=empty, icon="input")


def _what_runs(process: Process) -> list[AnyPanel]:
    try:
        return (
            []
            if process.package is None
            else [signatures.panel_of(process.entrypoint_to_run(process.version_to_run()))]
        )
    except NothingToRun:
        return []


def _source(process: Process, link: Links) -> Facts:
    policy = VersionPolicy(process.version_policy).label
    pinned = process.pinned_version
    return Facts(
        "What runs",
        [
            ("Package", link(process.package)),
            ("Version", link(pinned, pinned.version) if pinned is not None else policy),
            ("Entrypoint", process.entrypoint_name or "the default one"),
            ("Script", process.script_path or display.NOTHING),
            ("Folder", link(process.folder)),
            ("Tenant", link(process.tenant)),
            ("Made", display.moment(process.created_at)),
            ("Revision", process.revision),
            ("Id", process.pk),
        ],
        icon="deployed_code",
    )


def _tries(process: Process) -> Facts:
    spread = ", at random" if process.backoff_jitter else ""
    return Facts(
        "Tries and time",
        [
            ("Priority", process.priority),
            ("Tries at most", process.max_attempts),
            (
                "Between tries",
                f"{display.length(process.backoff_base)} doubling to {display.length(process.backoff_cap)}{spread}",
            ),
            ("When a robot is lost", process.get_on_lost_display()),
            ("A try may take", display.length(process.timeout) if process.timeout else "any time"),
            ("Must start within", display.length(process.start_by) if process.start_by else "any time"),
        ],
        icon="timer",
    )


def _where(process: Process, link: Links) -> Facts:
    limit = f"{process.limit_per_value} per {process.limit_parameter}" if process.limit_parameter else display.NOTHING
    return Facts(
        "Where, and how many",
        [
            ("Labels needed", display.badges(process.required_labels)),
            ("Machine", link(process.target_machine) if process.target_machine else "any"),
            ("Robot", link(process.target_robot) if process.target_robot else "any"),
            ("Oldest robot version", process.robot_version_floor or "any"),
            ("At once", process.concurrency_limit or "no limit"),
            ("Per value", limit),
        ],
        icon="smart_toy",
    )


def _use(process: Process) -> Facts:
    memory, niceness = process.memory_limit, process.niceness
    rows = [
        ("Memory", display.bytes_as_text(memory * 1024 * 1024) if memory else _AS_ROBOT),
        ("Processor cores", f"{process.cpu_limit:g}" if process.cpu_limit else _AS_ROBOT),
        ("Niceness", _AS_ROBOT if niceness is None else niceness),
    ]
    return Facts("What a job may use", rows, icon="speed")


def _children(process: Process, actor: Actor) -> Facts:
    """Return what its jobs may start by themselves, as far as the reader may see it."""
    seen = Process.objects.alive().visible_to(actor).filter(started_by=process).order_by("name")
    rows = [(child.name, display.link(child, "open")) for child in seen]
    return Facts("Its jobs may start", rows or [("Nothing", "Choose processes under “Edit”.")], icon="account_tree")
