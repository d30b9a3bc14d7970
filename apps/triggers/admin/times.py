"""Due times as rows of a table: on the trigger's clocks and the reader's, with what is odd about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
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


def headings(zone: str, *, with_distance: bool = True) -> list[Any]:
    """Return the headings of ``rows``; who lives in the trigger's zone is shown one clock."""
    clocks: list[Any] = [zone.replace("_", " ")]
    if viewer_zone() != zone:
        clocks.append(format_html("Your time<br>{}", viewer_zone().replace("_", " ")))
    return [*clocks, *(["From now"] if with_distance else []), ""]


def rows(times: Sequence[PreviewTime], *, with_distance: bool = True) -> list[list[Any]]:
    """Return one row for each due time, with how far it is away where there is room for it."""
    return [[*_clocks(time), *([display.ago(time.at)] if with_distance else []), _remark(time)] for time in times]


def _clocks(time: PreviewTime) -> list[SafeString]:
    local, here = time.local, time.viewer_local
    clocks = [display.nowrap(f"{local:%a %d %b %Y}, {_clock(local)}")]
    if here.tzinfo != local.tzinfo:
        is_same_day = here.date() == local.date()
        clocks.append(display.nowrap(_clock(here) if is_same_day else f"{here:%a %d %b}, {_clock(here)}"))
    return clocks


def _clock(moment: datetime) -> str:
    """Return a time of day, with its seconds where it has any."""
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def _remark(time: PreviewTime) -> SafeString | str:
    silent = display.badge("silent", Tone.CARE) if time.silent else ""
    told = " ".join(text for text in (time.silent, time.note) if text)
    return format_html('{} <span class="op-faint">{}</span>', silent, told) if told else ""
