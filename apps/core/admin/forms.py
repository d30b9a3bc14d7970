"""Forms in unfold's dress, whose choices depend on who asks and about what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib.admin import VERTICAL
from django.db.models import Model
from django.utils import timezone
from unfold import widgets

from apps.core.actors import Actor
from apps.core.admin import choices, refusals
from apps.core.errors import DomainError

_DRESSED: dict[type[forms.Widget], Callable[..., forms.Widget]] = {
    forms.TextInput: widgets.UnfoldAdminTextInputWidget,
    forms.EmailInput: widgets.UnfoldAdminEmailInputWidget,
    forms.NumberInput: widgets.UnfoldAdminIntegerFieldWidget,
    forms.Textarea: widgets.UnfoldAdminTextareaWidget,
    forms.Select: widgets.UnfoldAdminSelectWidget,
    forms.SelectMultiple: widgets.UnfoldAdminSelectMultipleWidget,
    forms.CheckboxInput: widgets.UnfoldBooleanWidget,
    forms.CheckboxSelectMultiple: widgets.UnfoldAdminCheckboxSelectMultipleWidget,
    forms.PasswordInput: widgets.UnfoldAdminPasswordToggleWidget,
    forms.RadioSelect: partial(widgets.UnfoldAdminRadioSelectWidget, radio_style=VERTICAL),
}


class MomentInput(forms.DateTimeInput):
    """The browser's own control for a date and a time, read in the person's time zone."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__({"class": " ".join(widgets.BASE_INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M")


class DayInput(forms.DateInput):
    """The browser's own control for a date."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__({"class": " ".join(widgets.BASE_INPUT_CLASSES)}, format="%Y-%m-%d")


class FileInput(forms.FileInput):
    """The browser's own control for a file, large enough to drop one on."""

    def __init__(self, accept: str = "") -> None:
        super().__init__({"class": "op-file", "accept": accept})


@dataclass(frozen=True, slots=True)
class Section:
    """Fields that belong together, under a heading."""

    title: str
    fields: Sequence[str]
    text: str = ""


class OperatorForm(forms.Form):
    """A form that knows who fills it in, and the row it is about (none for a new one).

    Whatever rows it lets choose from, it offers only those that this person may see.
    """

    #: Headings over the fields; those that no section names come first, without one.
    sections: ClassVar[Sequence[Section]] = ()
    #: A model and the names of its columns that the form asks for, with the model's own texts and checks.
    asks_for: ClassVar[tuple[type[Model], Sequence[str]] | None] = None
    #: What the service said no to, for templates that show more of it than a message.
    refusal: DomainError | None = None

    def __init__(self, *args: Any, actor: Actor, row: Any = None, place: Any = None, **kwargs: Any) -> None:
        """Prepare the form; ``place`` is the folder or tenant in which a new row will be, where that is known."""
        super().__init__(*args, **kwargs)
        self.actor, self.row, self.place = actor, row, place
        if self.asks_for is not None:
            model, names = self.asks_for
            self.fields |= forms.fields_for_model(model, fields=names)
        for field in self.fields.values():
            if isinstance(field, forms.ModelChoiceField):
                field.queryset = choices.offered(field.queryset.model, actor)  # type: ignore[union-attr]
            if isinstance(field, forms.DateTimeField):
                field.validators.append(_refuse_odd_moment)
        self.offer()
        dress(self)

    def offer(self) -> None:
        """Narrow the choices further, to what suits the row."""

    def refuse(self, refusal: DomainError) -> None:
        """Show what the service said no to."""
        self.refusal = refusal
        refusals.put_into(self, refusal)

    @property
    def parts(self) -> list[tuple[Section, list[forms.BoundField]]]:
        """The fields under their headings, as the template draws them."""
        named = {name for section in self.sections for name in section.fields}
        rest = Section("", [name for name in self.fields if name not in named])
        parts = [(one, [self[name] for name in one.fields if name in self.fields]) for one in (rest, *self.sections)]
        return [(section, fields) for section, fields in parts if fields]


class ReasonForm(OperatorForm):
    """Asks why."""

    reason = forms.CharField(
        label="Reason", required=False, max_length=500, help_text="Optional. It is kept in the audit trail."
    )


def _refuse_odd_moment(moment: datetime) -> None:
    """Refuse what is a mistake; at the ends of the calendar a row is stored that can never be read again."""
    if not 1970 <= moment.year < 2200:
        raise forms.ValidationError("A moment must lie between 1970 and 2199.")


def dress(form: forms.BaseForm) -> None:
    """Give every plain control of a form unfold's look."""
    zone = timezone.get_current_timezone_name()
    for field in form.fields.values():
        if isinstance(field.widget, MomentInput):
            field.help_text = str(field.help_text).replace("In your time zone", f"In your time zone, {zone}")
        dressed = _DRESSED.get(type(field.widget))
        if dressed is None:
            continue
        plain = field.widget
        field.widget = dressed(attrs=dict(plain.attrs))
        field.widget.is_required = plain.is_required
        field.widget.is_localized = plain.is_localized
        if isinstance(plain, forms.Select | forms.CheckboxSelectMultiple | forms.RadioSelect):
            field.widget.choices = plain.choices
