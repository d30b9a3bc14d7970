"""Who worked on items and who changed them, by name and as links where the reader may follow them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.core.actors import PERSON, ROBOT, SERVICE, Actor
from apps.core.admin import display
from apps.jobs.models import Execution
from apps.robots.models import Robot

Shown = SafeString | str


class People:
    """Names of those that a page tells of: two questions for each kind of them, however many there are."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._known: dict[str, Mapping[UUID, Shown]] = {}

    def meet(self, kind: str, identities: Iterable[Any]) -> None:
        """Look up those of one kind."""
        models: dict[str, Any] = {PERSON: User, SERVICE: User, ROBOT: Robot, "execution": Execution}
        wanted = {UUID(str(one)) for one in identities if one}
        rows = models[kind].objects.filter(pk__in=wanted)
        rows = rows.select_related("process") if kind == "execution" else rows
        seen = set(models[kind].objects.visible_to(self._actor).filter(pk__in=wanted).values_list("pk", flat=True))
        self._known[kind] = (
            {row.pk: display.link(row, _name(row), may_open=row.pk in seen) for row in rows} if wanted else {}
        )

    def name(self, kind: str, identity: Any) -> Shown:
        """Return who that is; the system, and whoever is gone, by what they are called."""
        if kind in self._known:
            return self._known[kind].get(UUID(str(identity)), kind)
        return f"{kind} {identity}".strip() or display.NOTHING


def _name(row: Any) -> str:
    return f"{row.process.name} {display.short(row.job_id)}" if isinstance(row, Execution) else str(row)
