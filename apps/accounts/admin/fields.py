"""Fields of forms about users."""

from __future__ import annotations

import zoneinfo
from typing import Any, Final

from django import forms

from apps.core.admin.forms import OperatorForm

ZONES: Final = sorted(zoneinfo.available_timezones())


class ZoneField(forms.ChoiceField):
    """A time zone by its name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(zone, zone.replace("_", " ")) for zone in ZONES], initial="UTC", **kwargs)


class PasswordField(forms.CharField):
    """A password, old or new; spaces count."""

    def __init__(self, *, autocomplete: str = "new-password", **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
        super().__init__(widget=widget, strip=False, max_length=1000, **kwargs)


class PasswordForm(OperatorForm):
    """Asks for a new password twice."""

    password = PasswordField(label="New password", help_text="At least 12 characters, and none of the common ones.")
    again = PasswordField(label="The same again")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.pop("again", None) != values.get("password"):
            self.add_error("again", "This differs from the first.")
        return values
