"""Fields of forms about machines and robots."""

from __future__ import annotations

from typing import Any

from django import forms


class LabelsField(forms.CharField):
    """Labels, with commas or spaces between them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Show a list as text."""
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> list[str]:
        """Return the labels as a list."""
        return str(super().clean(value)).replace(",", " ").split()
