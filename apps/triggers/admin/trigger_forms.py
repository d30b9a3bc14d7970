"""The form of triggers, drawn for the kind and for what their process takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.urls import reverse

from apps.core.admin import choices
from apps.core.admin.forms import OperatorForm, Section
from apps.core.admin.typed_json import JsonObject
from apps.core.errors import DomainError
from apps.jobs.admin import running
from apps.jobs.admin.parameters import PREFIX, ParameterForm
from apps.jobs.services.creating import HIGHEST_PRIORITY, LOWEST_PRIORITY
from apps.processes.models import Process
from apps.rbac import services as rbac
from apps.tenancy.admin.places import FolderField
from apps.triggers.admin.fields import ExactMomentInput, LengthField, ZoneField
from apps.triggers.models import Misfire, Overlap, Trigger, TriggerKind
from apps.triggers.rules import demand

CONFIGURATION: Final = "configuration"
CRON, EVERY, BY = f"{CONFIGURATION}.cron", f"{CONFIGURATION}.every", "due_by"
MODE: Final = f"{CONFIGURATION}.mode"
_ASKED: Final = (
    "name", "description", "queue", "starts_at", "ends_at", "calendar", "jitter", "priority", "target_robot",
    "target_machine", "overlap", "misfire", "misfire_limit", "misfire_grace", "most_failures",
)  # fmt: skip
#: What a queue trigger is not asked: it looks at how things are, and counts its own jobs.
_OF_TIME: Final = (
    BY, CRON, EVERY, "time_zone", "overlap", "misfire", "misfire_limit", "misfire_grace",
)  # fmt: skip
_LABELS: Final = {
    "starts_at": "From",
    "ends_at": "Up to",
    "jitter": "Spread by (seconds)",
    "target_robot": "Only on robot",
    "target_machine": "Only on machine",
    "overlap": "While a job of it still goes on",
    "misfire": "Times that were missed",
    "misfire_limit": "Fire at most so many of them",
    "misfire_grace": "A time is missed after (seconds)",
    "most_failures": "Switch off after failures in a row",
}
_HELP: Final = {
    "overlap": "Asked at each due time. One that waits fires as soon as the job has ended; further ones are skipped.",
    "misfire": "Times that passed while nothing could fire them, as in an outage; not those while it was switched off.",
    "starts_at": "In your time zone. Empty: at once. Intervals count from it.",
    "ends_at": "In your time zone. Empty: without end.",
    "calendar": "On the days and hours that it names, the trigger stays silent.",
    "jitter": "Jobs start up to so many seconds later, at random, so that not all start in the same second.",
    "misfire_limit": "The newest of them; the others are skipped.",
    "misfire_grace": "Until then it counts as punctual.",
    "most_failures": "It then says why, and an event tells of it.",
}
_MODES: Final = [
    (demand.CONSUMERS, "Its jobs take items by themselves"),
    (demand.HAND_OUT, "Each job is handed items, and owns them"),
]
#: What a queue trigger wants, by name in its configuration: label and explanation.
_WISHES: Final[Mapping[str, tuple[str, str]]] = {
    "least": ("Jobs at least", "So many go on even where nothing waits."),
    "most": ("Jobs at most", "Never more at the same time."),
    "batch_size": ("Items handed to each job", "At most. Nobody else is given them."),
    "items_per_job": ("Items for each job", "A further job for each so many items."),
    "start_at": ("Start at so many items", "Fewer waiting items start nothing."),
    "oldest_at_most": ("Unless one waits longer than (seconds)", "Then fewer are enough. Empty: never."),
    "finish_within": ("Be done within (seconds)", "Only as many jobs as that takes. Empty: no such goal."),
    "cool_down": ("Rest after a start (seconds)", "No other start in this time."),
    "jobs_per_hour": ("Jobs within an hour at most", "Empty: 3,600; 60 where its jobs feed its own queue."),
    "polling_interval": ("Look every (seconds)", "From 5 seconds on."),
}
_FACTS: Final = (
    "A text that is nothing but {{ due_at }}, {{ trigger }} or {{ item_ids }} becomes the due time, the name of the "
    "trigger, or the ids of the items that the job owns."
)


class TriggerForm(OperatorForm):
    """Everything about a trigger of a kind and a process, which are chosen before."""

    asks_for = (Trigger, _ASKED)
    due_by = forms.ChoiceField(
        label="Due",
        choices=[("cron", "At times of day"), ("every", "Again and again, after the same time")],
        widget=forms.RadioSelect,
        initial="cron",
    )
    time_zone = ZoneField()

    @property
    def about(self) -> Trigger:
        """The trigger there is, or the one that is to be."""
        trigger: Trigger = self.row or self.place
        return trigger

    @property
    def is_of_time(self) -> bool:
        """Whether clocks make it due."""
        return self.about.kind == TriggerKind.TIME

    @property
    def preview_address(self) -> str:
        """Where the page of the form asks what it means."""
        return reverse("admin:triggers_trigger_preview") + self._query

    @property
    def simulate_address(self) -> str:
        """Where it asks what it would have meant in the last day; empty where that takes no items to play."""
        return "" if self.is_of_time else reverse("admin:triggers_trigger_simulate_form") + self._query

    @property
    def _query(self) -> str:
        about = self.about
        return f"?trigger={about.pk}" if self.row is not None else f"?process={about.process_id}&kind={about.kind}"

    def offer(self) -> None:
        """Draw what its kind and its process ask for, and offer what its tenant has."""
        self._draw_schedule() if self.is_of_time else self._draw_wishes()
        for name in ("queue", "calendar", "target_robot", "target_machine"):
            self._offer_rows(name)
        for name, label in _LABELS.items():
            if name in self.fields:
                self.fields[name].label = label
        for name, text in _HELP.items():
            if name in self.fields:
                self.fields[name].help_text = text
        self._draw_priority()
        self.parameter_form = ParameterForm(schema_of(self.about.process), self.about.parameters)
        self.fields |= self.parameter_form.fields

    def _draw_schedule(self) -> None:
        del self.fields["queue"]
        self.fields[CRON] = forms.CharField(
            label="Cron expression",
            required=False,
            max_length=200,
            help_text="Minute, hour, day, month, weekday; a sixth field in front is seconds. 0 9 * * mon-fri is every "
            "working day at nine. Also @hourly, @daily, @weekly, @monthly, @yearly.",
        )
        self.fields[EVERY] = LengthField(label="Every", required=False)
        for name, labels in (("overlap", Overlap.choices), ("misfire", Misfire.choices)):
            capitalised = [(value, str(label).capitalize()) for value, label in labels]
            field = forms.ChoiceField(choices=capitalised, widget=forms.RadioSelect, initial=self.fields[name].initial)
            self.fields[name] = field
        for name in ("starts_at", "ends_at"):
            self.fields[name].widget = ExactMomentInput()

    def _draw_wishes(self) -> None:
        for name in _OF_TIME:
            self.fields.pop(name, None)
        for name in ("starts_at", "ends_at"):
            self.fields[name].widget = ExactMomentInput()
        self.fields["queue"].required = True
        self.fields[MODE] = forms.ChoiceField(
            label="What its jobs work on",
            choices=_MODES,
            widget=forms.RadioSelect,
            required=False,
            initial=demand.CONSUMERS,
            help_text="Handed out: nobody else is given the items of a job, and its end settles them.",
        )
        for name, (label, text) in _WISHES.items():
            lowest, highest = demand.BOUNDS[name]
            self.fields[f"{CONFIGURATION}.{name}"] = forms.IntegerField(
                label=label,
                required=False,
                min_value=lowest,
                max_value=highest,
                initial=getattr(demand.Wishes(), name),
                help_text=text,
            )

    def _offer_rows(self, name: str) -> None:
        field: Any = self.fields.get(name)
        if field is None:
            return
        field.queryset = field.queryset.filter(tenant_id=self.about.tenant_id).order_by("name")
        field.empty_label = {"queue": "Choose a queue", "calendar": "none"}.get(name, "any that may")

    def _draw_priority(self) -> None:
        self.fields["priority"] = forms.IntegerField(
            required=False,
            min_value=LOWEST_PRIORITY,
            max_value=HIGHEST_PRIORITY,
            help_text=f"Higher runs sooner. Empty: {self.about.process.priority}, as the process says.",
        )

    @property
    def sections(self) -> list[Section]:  # type: ignore[override]
        """The parts of the form, in the order in which one thinks."""
        parameters = [name for name in self.fields if name == PREFIX or name.startswith(f"{PREFIX}.")]
        wishes = [MODE, *(f"{CONFIGURATION}.{name}" for name in _WISHES)]
        between = ["starts_at", "ends_at", "calendar", "jitter"]
        when = (
            [Section("When", [BY, CRON, EVERY, "time_zone", *between])]
            if self.is_of_time
            else [
                Section(
                    "How many jobs", ["queue", *wishes], "It looks at the queue and starts the jobs that are missing."
                ),
                Section("When", between),
            ]
        )
        collisions = ["overlap", "misfire", "misfire_limit", "misfire_grace"]
        return [
            Section("", ["name", "folder", "description", "enabled"]),
            *when,
            Section("Parameters", parameters, _FACTS if parameters else "It takes none."),
            Section("How its jobs run", ["priority", "target_robot", "target_machine"]),
            *([Section("When times collide or pass by", collisions)] if self.is_of_time else []),
            Section("When it fails", ["most_failures"]),
        ]

    def clean(self) -> dict[str, Any]:
        """Return what the service takes: the configuration and the parameters put together."""
        values = super().clean() or self.cleaned_data
        if self.errors:
            return values
        self._refuse_half_a_schedule(values)
        plain = {name: value for name, value in values.items() if "." not in name and name not in (BY, PREFIX)}
        parameters = self.parameter_form.read(values)
        return {**plain, CONFIGURATION: self.configuration(values), "parameters": parameters}

    def configuration(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of its kind that some values of the form make."""
        if not self.is_of_time:
            mode = str(values.get(MODE) or demand.CONSUMERS)
            given = {name: values.get(f"{CONFIGURATION}.{name}") for name in _WISHES if name in demand.NAMES[mode]}
            said = {"mode": mode} if mode != demand.CONSUMERS else {}
            return said | {name: value for name, value in given.items() if value is not None}
        if values.get(BY) == "every":
            return {"every": values.get(EVERY)}
        return {"cron": values.get(CRON) or ""}

    def _refuse_half_a_schedule(self, values: Mapping[str, Any]) -> None:
        if self.is_of_time and values.get(BY) == "every" and not values.get(EVERY):
            self.add_error(EVERY, "Say how much time lies between two times.")


class NewTriggerForm(TriggerForm):
    """Asks as well where it lives and whether it works at once."""

    folder = FolderField(help_text="Who sees it is decided there.")
    enabled = forms.BooleanField(
        label="Switch it on", required=False, initial=True, help_text="Otherwise it rests until somebody does."
    )

    def offer(self) -> None:
        super().offer()
        folder: Any = self.fields["folder"]
        folder.offer(self.actor, "triggers.add_trigger")
        folder.queryset = folder.queryset.filter(tenant_id=self.about.tenant_id)
        folder.initial = self.about.folder_id

    def clean(self) -> dict[str, Any]:
        return {**super().clean(), "kind": self.about.kind, "process": self.about.process}


class ProcessOfTriggerForm(OperatorForm):
    """Asks for another process, with parameters that suit it."""

    process = forms.ModelChoiceField(Process.objects.none(), empty_label=None)
    parameters = JsonObject(required=False, help_text="By name, as JSON, as the new process takes them.")

    def offer(self) -> None:
        field: Any = self.fields["process"]
        field.queryset = runnable(self.actor).filter(tenant_id=self.row.tenant_id)

    def clean_parameters(self) -> dict[str, Any]:
        """Give an empty object for no parameters."""
        return self.cleaned_data["parameters"] or {}


class FireForm(OperatorForm):
    """Parameters of one job beside those of the trigger, for whoever may run its process."""

    def offer(self) -> None:
        """Put a control for each parameter. Raises ``NothingToRun``."""
        trigger: Trigger = self.row
        self.parameter_form = ParameterForm({}, {})
        if rbac.allows(self.actor, "processes.run_process", trigger.process):
            self.parameter_form = ParameterForm(schema_of(trigger.process), trigger.parameters)
            self.fields |= self.parameter_form.fields

    @property
    def sections(self) -> list[Section]:  # type: ignore[override]
        """The parameters under their heading."""
        return [Section("Parameters of this one job", list(self.fields), _FACTS)]

    def clean(self) -> dict[str, Any]:
        """Return the parameters that differ from the trigger's."""
        values = super().clean() or self.cleaned_data
        if self.errors or not self.fields:
            return {"parameters": {}}
        known = self.row.parameters
        given = self.parameter_form.read(values)
        return {"parameters": {name: value for name, value in given.items() if known.get(name, ...) != value}}


def initial_of(trigger: Trigger) -> dict[str, Any]:
    """Return what stands in the form of a trigger that is there."""
    values: dict[str, Any] = {name: getattr(trigger, name) for name in (*_ASKED, "time_zone")}
    rows = {name: getattr(trigger, f"{name}_id") for name in ("queue", "calendar", "target_robot", "target_machine")}
    configured = {f"{CONFIGURATION}.{name}": value for name, value in trigger.configuration.items()}
    return {**values, **rows, **configured, BY: "every" if "every" in trigger.configuration else "cron"}


def runnable(actor: Any) -> Any:
    """Return the processes of which somebody may make triggers."""
    return choices.alive(rbac.visible(Process.objects.all(), actor, "processes.run_process")).order_by("name")


def schema_of(process: Process) -> Mapping[str, Any]:
    """Return what parameters a process takes, with room for the facts of a firing; anything, where nothing can run."""
    try:
        schema = running.schema_of(process)
    except DomainError:
        return {}
    return dict(_with_room_for_facts(schema))


def _with_room_for_facts(schema: Any) -> Any:
    """Leave out the format of moments: the browser's control for one could not hold ``{{ due_at }}``."""
    if isinstance(schema, list):
        return [_with_room_for_facts(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {name: _with_room_for_facts(value) for name, value in schema.items()}
    if kept.get("type") == "string" and kept.get("format") == "date-time":
        del kept["format"]
        kept["description"] = f"{kept.get('description', '')} ISO 8601 with its zone, or {{{{ due_at }}}}.".strip()
    return kept
