"""The forms of processes."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.assets.rules import AssetType
from apps.core.admin.forms import OperatorForm, Section
from apps.core.admin.typed_json import JsonObject
from apps.packages.models import PackageVersion
from apps.processes.models import Process

_SETTINGS = (
    "name",
    "description",
    "package",
    "entrypoint_name",
    "version_policy",
    "pinned_version",
    "script_path",
    "priority",
    "timeout",
    "start_by",
    "max_attempts",
    "backoff_base",
    "backoff_cap",
    "backoff_jitter",
    "on_lost",
    "lease_ttl",
    "kill_grace",
    "required_labels",
    "target_machine",
    "target_robot",
    "robot_version_floor",
    "concurrency_limit",
    "limit_parameter",
    "limit_per_value",
    "memory_limit",
    "cpu_limit",
    "niceness",
    "retention_days",
    "may_use",
    "may_start",
)


_LABELS = {
    "max_attempts": "Tries at most",
    "backoff_base": "First wait",
    "backoff_cap": "Longest wait",
    "backoff_jitter": "Spread waits at random",
    "on_lost": "When its robot is lost",
    "timeout": "A try may take",
    "start_by": "Must start within",
    "lease_ttl": "A robot is lost after",
    "kill_grace": "Time to end before it is killed",
    "required_labels": "Labels needed",
    "target_machine": "Only on machine",
    "target_robot": "Only on robot",
    "concurrency_limit": "Jobs at once",
    "limit_parameter": "Limit per value of",
    "limit_per_value": "Jobs at once per value",
    "memory_limit": "Memory a job may use (MiB)",
    "cpu_limit": "Processor cores a job may use",
    "niceness": "Steps back behind other programs",
    "retention_days": "Keep its jobs for (days)",
    "may_use": "Its jobs may use",
    "may_start": "Its jobs may start",
}


class ProcessForm(OperatorForm):
    """Everything about a process, with what its package, tenant and folder leave to choose from."""

    asks_for = (Process, _SETTINGS)
    parameters = JsonObject(
        label="Default parameters", required=False, help_text="As JSON. A job may give others; these fill the gaps."
    )
    sections = (
        Section("", ["name", "description"]),
        Section(
            "What runs",
            ["package", "entrypoint_name", "version_policy", "pinned_version", "script_path"],
            "An entrypoint of a package, or a script that lies on the robot's machine: exactly one of the two.",
        ),
        Section("With what", ["parameters", "priority"]),
        Section(
            "Tries and time",
            [
                "max_attempts",
                "backoff_base",
                "backoff_cap",
                "backoff_jitter",
                "on_lost",
                "timeout",
                "start_by",
                "lease_ttl",
                "kill_grace",
            ],
        ),
        Section("Where", ["required_labels", "target_machine", "target_robot", "robot_version_floor"]),
        Section("How many at once", ["concurrency_limit", "limit_parameter", "limit_per_value"]),
        Section(
            "What a job may use",
            ["memory_limit", "cpu_limit", "niceness"],
            "Of the machine it runs on. A job that is begun after the change keeps to it.",
        ),
        Section(
            "Secrets",
            ["may_use"],
            "What only listed processes are given, these are listed for. You must be allowed to use what you choose.",
        ),
        Section("Afterwards", ["retention_days"]),
        Section(
            "Child jobs",
            ["may_start"],
            "A running job may start jobs of these processes by itself and wait for them; none are chosen: it may not.",
        ),
    )

    def offer(self) -> None:
        """Offer what is in the tenant; versions and entrypoints of the package that is set."""
        for name, label in _LABELS.items():
            self.fields[name].label = label
        tenant_id = (self.row or self.place).tenant_id
        for name in ("package", "pinned_version", "target_machine", "target_robot", "may_use", "may_start"):
            field: Any = self.fields[name]
            field.queryset = field.queryset.filter(tenant_id=tenant_id)
        for name, empty in (("target_machine", "any"), ("target_robot", "any"), ("package", "none: a script runs")):
            field = self.fields[name]
            field.empty_label = empty
        self.fields["required_labels"].help_text = "Labels that a robot or its machine must have, with commas between."
        usable: Any = self.fields["may_use"]
        usable.queryset = usable.queryset.filter(type__in=[one for one in AssetType if one.is_secret])
        for name in ("may_use", "may_start"):
            several: Any = self.fields[name]
            several.queryset = several.queryset.order_by("name")
            several.widget = forms.CheckboxSelectMultiple(choices=several.choices)
        self._offer_versions()
        self._offer_entrypoints()

    def _offer_versions(self) -> None:
        field: Any = self.fields["pinned_version"]
        versions = field.queryset.select_related("package").order_by("package__name", "-major", "-minor", "-patch")
        package = getattr(self.row, "package_id", None)
        field.queryset = versions.filter(package_id=package) if package else versions
        field.empty_label = "none: the newest active one"
        field.help_text = "Only for the version policy “pinned”."

    def _offer_entrypoints(self) -> None:
        """Let an entrypoint be chosen where the package is known, so that nobody has to type its name."""
        version = self.row.package.newest_version() if self.row is not None and self.row.package is not None else None
        if version is None:
            return
        names = list(version.entrypoints.values_list("name", flat=True))
        if self.row.entrypoint_name and self.row.entrypoint_name not in names:
            names.append(self.row.entrypoint_name)
        choices = [("", "the default one"), *((name, name) for name in names)]
        self.fields["entrypoint_name"] = forms.ChoiceField(label="Entrypoint", choices=choices, required=False)

    def clean(self) -> dict[str, Any]:
        """Give an empty object for empty parameters."""
        values = super().clean() or self.cleaned_data
        values["parameters"] = values.get("parameters") or {}
        return values


class VersionForm(OperatorForm):
    """Asks for one of the versions of the process's package."""

    version = forms.ModelChoiceField(
        PackageVersion.objects.all(),
        required=False,
        empty_label="the newest active one",
        help_text="An older one rolls back.",
    )

    def offer(self) -> None:
        field: Any = self.fields["version"]
        versions = PackageVersion.objects.alive().filter(package_id=self.row.package_id, is_active=True)
        field.queryset = versions.select_related("package").newest_first()
