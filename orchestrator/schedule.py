"""Beat's schedule: what the settings say, and what administrators have changed about it."""

from __future__ import annotations

from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from apps.console import services
from apps.console.models import Tick
from apps.core.actors import Actor


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # the library has no types
    """Writes the schedule into the database at each start, leaving alone what was changed there."""

    def setup_schedule(self) -> None:
        """Bring beat's table in line with the settings and with what was changed."""
        entries = self.app.conf.beat_schedule
        usual = {name: entry["schedule"] for name, entry in entries.items()}
        ticks = services.install_ticks(usual, actor=Actor.system("beat"))
        self.update_from_dict({name: entry | _as_changed(ticks[name], entry) for name, entry in entries.items()})


def _as_changed(tick: Tick, entry: dict[str, Any]) -> dict[str, Any]:
    options = entry["options"] | {"expire_seconds": tick.expires_after}
    return {"schedule": tick.every, "enabled": tick.enabled, "options": options}
