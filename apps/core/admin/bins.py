"""Rows that lie in the bin: what their pages say, and how they are had back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import display
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Operation, Perform


class RestoreForm(OperatorForm):
    """Asks what it shall be called."""

    name = forms.CharField(
        label="Name", max_length=200, required=False, help_text="Empty: as before. Another, where that is taken by now."
    )

    def clean_name(self) -> str | None:
        """Return nothing where nothing is to change."""
        name: str = self.cleaned_data["name"]
        return name or None


def restoration(permission: str, service: Perform, explain: str) -> Operation:
    """Return the operation that takes a row out of the bin: whoever may put it there may do so."""
    return Operation(
        name="restore",
        title="Restore",
        permission=permission,
        service=service,
        explain=explain,
        form=RestoreForm,
        icon="restore_from_trash",
        done="It is back.",
        is_main=True,
        is_for_bin=True,
    )


def notice(row: Any) -> SafeString | None:
    """Say of a deleted row since when, and by whom; nothing of one that lives, or that was never in the bin."""
    if getattr(row, "deleted_at", None) is None or not getattr(row, "deleted_by", ""):
        return None
    when, who = display.moment(row.deleted_at), row.deleted_by
    if row.purged_at is not None:
        gone = display.moment(row.purged_at)
        return format_html("Deleted {} by {}, and purged {}. Only its history is left.", when, who, gone)
    return format_html("In the bin since {}, put there by {}. After a while it is purged.", when, who)
