"""What the operations on jobs ask for."""

from __future__ import annotations

from django import forms

from apps.core.admin.forms import OperatorForm
from apps.jobs.services.creating import HIGHEST_PRIORITY, LOWEST_PRIORITY


class PriorityForm(OperatorForm):
    """Asks for a place in line."""

    priority = forms.IntegerField(
        min_value=LOWEST_PRIORITY,
        max_value=HIGHEST_PRIORITY,
        help_text=f"Higher runs sooner. From {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}.",
    )


class SettleForm(OperatorForm):
    """Asks what somebody has found out."""

    reason = forms.CharField(max_length=500, help_text="What you found out. It becomes the job's error.")
