"""Due times as rows of a table: on the trigger's clocks and the reader's, with what is odd about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import display
from apps.core.admin.display import Tone
from apps.triggers.rules.previews import PreviewTime


def viewer_zone() -> str:
    """Return the name of the reader's time zone."""
    return timezone.get_current_timezone_name()


def headings(zone: str) -> list[str]:
    """Return the headings of ``rows``; who lives in the trigger's zone is shown one clock."""
    clocks = [zone.replace("_", " ")]
    if viewer_zone() != zone:
        clocks.append(f"Your time, {viewer_zone().replace('_', ' ')}")
    return [*clocks, "From now", ""]


def rows(times: Sequence[PreviewTime]) -> list[list[Any]]:
    """Return one row for each due time."""
    return [[*_clocks(time), display.ago(time.at), _remark(time)] for time in times]


def _clocks(time: PreviewTime) -> list[SafeString]:
    clocks = [display.nowrap(f"{time.local:%a %d %b %Y, %H:%M:%S}")]
    if time.viewer_local.tzinfo != time.local.tzinfo:
        same_day = time.viewer_local.date() == time.local.date()
        shown = f"{time.viewer_local:%H:%M:%S}" if same_day else f"{time.viewer_local:%a %d %b, %H:%M:%S}"
        clocks.append(display.nowrap(shown))
    return clocks


def _remark(time: PreviewTime) -> SafeString | str:
    silent = display.badge("silent", Tone.CARE) if time.silent else ""
    told = " ".join(text for text in (time.silent, time.note) if text)
    return format_html('{} <span class="op-faint">{}</span>', silent, told) if told else ""
