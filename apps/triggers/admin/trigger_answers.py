"""What the form of a trigger is answered while it is being filled in, and what the simulator says."""

from __future__ import annotations

from typing import Any, Final

from apps.core.admin.panels import AnyPanel, Text
from apps.core.errors import Invalid
from apps.triggers.admin import previews, simulator
from apps.triggers.admin.trigger_forms import CONFIGURATION, TriggerForm
from apps.triggers.models import Trigger

#: The name of the button that asks for a preview in place of saving.
PREVIEW: Final = "preview"


def preview(form: TriggerForm) -> dict[str, Any]:
    """Return what the part of the page that follows the form shows."""
    return {"preview": previews.context_of(form)}


def previewed(form: Any) -> dict[str, Any]:
    """Return what the page of the form shows with its preview, where no script keeps it up to date."""
    return {"form": form, "media": form.media, "title": "Preview", **preview(form)}


def simulation(form: TriggerForm) -> dict[str, Any]:
    """Return what a queue trigger would have done with what the form says."""
    form.is_valid()
    values = form.cleaned_data
    queue = values.get("queue")
    if queue is None:
        return {"problems": ["Choose a queue first."]}
    configuration = values.get(CONFIGURATION) or form.configuration(values)
    try:
        return {"panels": simulator.panels_of(Trigger(kind=form.about.kind, queue=queue, configuration=configuration))}
    except Invalid as invalid:
        return {"problems": [str(invalid)]}


def simulated(trigger: Trigger) -> list[AnyPanel]:
    """Return what a trigger that is there would have done, or why that cannot be said."""
    try:
        return simulator.panels_of(trigger)
    except Invalid as invalid:
        return [Text(simulator.TITLE, str(invalid), is_bad=True, icon="science")]
