"""Fields of forms about machines and robots."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.robots.rules import PushedSetting


class LabelsField(forms.CharField):
    """Labels, or other short words, with commas or spaces between them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Show a list as text."""
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> list[str]:
        """Return the labels as a list."""
        return str(super().clean(value)).replace(",", " ").split()


def pushed_setting(one: PushedSetting) -> forms.Field:
    """Return the field of a form for a setting that is pushed to a robot."""
    kind: Any = forms.IntegerField if one.is_whole else forms.FloatField
    limits = f"From {one.least:,} to {one.most:,}."
    field: forms.Field = kind(
        label=one.title, min_value=one.least, max_value=one.most, required=False, help_text=f"{one.help} {limits}"
    )
    return field


class FoldersField(forms.ModelMultipleChoiceField):
    """Folders as check boxes."""

    widget = forms.CheckboxSelectMultiple
