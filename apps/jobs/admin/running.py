"""Running a process now: the form drawn from its signature, and the job made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from apps.core.actors import Actor
from apps.core.admin import choices
from apps.core.admin.forms import MomentInput, OperatorForm, Section
from apps.jobs import services
from apps.jobs.admin.parameters import PREFIX, ParameterForm
from apps.jobs.models import Job
from apps.jobs.services.creating import HIGHEST_PRIORITY, LOWEST_PRIORITY
from apps.processes.models import Process
from apps.robots.models import Robot

_OPTIONS = ("priority", "available_at", "target_robot")


class RunForm(OperatorForm):
    """Parameters as the entrypoint takes them, then how the job shall run."""

    priority = forms.IntegerField(
        required=False, min_value=LOWEST_PRIORITY, max_value=HIGHEST_PRIORITY, help_text="Higher runs sooner."
    )
    available_at = forms.DateTimeField(
        label="Start at",
        required=False,
        widget=MomentInput(),
        help_text="In your time zone. Empty: as soon as a robot is free.",
    )
    target_robot = forms.ModelChoiceField(
        Robot.objects.all(), required=False, empty_label="any that may", help_text="Only this robot may take it."
    )

    @property
    def process(self) -> Process:
        """What shall run."""
        return self.row  # type: ignore[no-any-return]

    @property
    def given(self) -> Mapping[str, Any]:
        """The parameters that stand in the form at first."""
        given: Mapping[str, Any] = self.process.parameters
        return given

    def offer(self) -> None:
        """Put a control for each parameter before the options. Raises ``NothingToRun``."""
        process = self.process
        self.parameter_form = ParameterForm(schema_of(process), self.given)
        self.fields = self.parameter_form.fields | self.fields
        robots: Any = self.fields["target_robot"]
        robots.queryset = choices.offered(Robot, self.actor).filter(tenant_id=process.tenant_id).order_by("name")
        self.fields["priority"].help_text = f"Higher runs sooner. Empty: {process.priority}, as the process says."

    @property
    def sections(self) -> list[Section]:  # type: ignore[override]
        """The parameters, then the options."""
        parameters = [name for name in self.fields if name == PREFIX or name.startswith(f"{PREFIX}.")]
        text = "" if parameters else "It takes none."
        return [Section("Parameters", parameters, text), Section("How it shall run", _OPTIONS)]

    def clean(self) -> dict[str, Any]:
        """Return the job that is wanted."""
        values = super().clean() or self.cleaned_data
        if self.errors:
            return values
        options: dict[str, Any] = {name: values.get(name) for name in _OPTIONS}
        return {"wanted": services.Wanted(parameters=self.parameter_form.read(values), **options)}


class RunAgainForm(RunForm):
    """The same with the parameters of an earlier job."""

    @property
    def process(self) -> Process:
        return self.row.process  # type: ignore[no-any-return]

    @property
    def given(self) -> Mapping[str, Any]:
        return self.row.parameters  # type: ignore[no-any-return]


def run_now(process: Process, *, actor: Actor, wanted: services.Wanted) -> Job:
    """Make a job of what the form asked for."""
    return services.create_job(process, actor=actor, wanted=wanted, source="manual")


def run_again(job: Job, *, actor: Actor, wanted: services.Wanted) -> Job:
    """Make a new job after the pattern of one, linked to it where that has ended."""
    original = job if job.is_final else None
    return services.create_job(job.process, actor=actor, wanted=wanted, source="manual", retry_of=original)


def schema_of(process: Process) -> Mapping[str, Any]:
    """Return the schema of what would run now; a script takes anything. Raises ``NothingToRun``."""
    if process.package is None:
        return {}
    return process.entrypoint_to_run(process.version_to_run()).input_schema  # type: ignore[no-any-return]
