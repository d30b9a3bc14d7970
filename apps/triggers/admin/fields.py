"""Fields of the forms about triggers and calendars."""

from __future__ import annotations

import zoneinfo
from typing import Any, Final

from django import forms
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold import widgets

from apps.core.admin.forms import MomentInput

ZONES: Final = sorted(zoneinfo.available_timezones())
_UNITS: Final = ((1, "seconds"), (60, "minutes"), (3600, "hours"), (86_400, "days"))


class ZoneInput(forms.TextInput):
    """A text control that finds time zones by any part of their names as one types."""

    def __init__(self) -> None:
        super().__init__({"class": " ".join(widgets.INPUT_CLASSES)})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the control with the list of names it searches."""
        names = f"zones-of-{name}"
        control = super().render(name, value, {**(attrs or {}), "list": names, "autocomplete": "off"}, renderer)
        options = format_html_join("", '<option value="{}"></option>', ((zone,) for zone in ZONES))
        return format_html('{}<datalist id="{}">{}</datalist>', control, names, options)


class ZoneField(forms.CharField):
    """The name of a time zone; whether there is such a one is for the service to say."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Type part of a name, such as Berlin, and choose.")
        kwargs.setdefault("initial", timezone.get_current_timezone_name)
        super().__init__(label="Time zone", max_length=64, widget=ZoneInput(), **kwargs)


class ExactMomentInput(MomentInput):
    """The same control to the second: what it is given comes back as it was."""

    def __init__(self) -> None:
        super().__init__()
        self.format = "%Y-%m-%dT%H:%M:%S"
        self.attrs["step"] = "1"


class _LengthInput(forms.MultiWidget):
    """A number and its unit, side by side."""

    def __init__(self) -> None:
        units = [(str(size), name) for size, name in _UNITS]
        parts = {
            "": widgets.UnfoldAdminIntegerFieldWidget({"min": 1, "aria-label": "How many"}),
            "unit": widgets.UnfoldAdminSelectWidget({"aria-label": "Unit"}, choices=units),
        }
        super().__init__(parts, attrs={})

    def decompress(self, value: Any) -> list[Any]:
        """Return seconds in the largest unit of which they are a whole number."""
        if not isinstance(value, int):
            return [None, "60"]
        size = max(size for size, _ in _UNITS if value % size == 0)
        return [value // size, str(size)]

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Keep the two together on one line."""
        return format_html('<span class="op-length">{}</span>', super().render(name, value, attrs, renderer))


class LengthField(forms.MultiValueField):
    """A span of time, given as a number and a unit. Its value is in seconds."""

    def __init__(self, **kwargs: Any) -> None:
        parts = (
            forms.IntegerField(min_value=1, max_value=366 * 86_400, required=False),
            forms.ChoiceField(choices=[(str(size), name) for size, name in _UNITS], required=False),
        )
        super().__init__(parts, widget=_LengthInput(), require_all_fields=False, **kwargs)

    def compress(self, data_list: Any) -> int | None:
        """Return the seconds; none where no number was given."""
        amount, unit = [*data_list, None, None][:2] if data_list else (None, None)
        return None if amount is None else amount * int(unit or 60)
