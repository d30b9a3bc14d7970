"""Rows that move through states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.db import models

from apps.core.errors import Conflict


class TransitionError(Conflict):
    """The row is not in a state from which this move is allowed."""

    code = "illegal_transition"


class Stateful(models.Model):
    """A row whose ``status`` only ever moves along ``TRANSITIONS``.

    ``move_to`` is the one door. It tells the database to change the row only while the row is still somewhere the
    move may start from, so two callers racing for the same row cannot both win.
    """

    TRANSITIONS: ClassVar[Mapping[str, set[str]]]

    status = models.CharField(max_length=16)

    class Meta:
        abstract = True

    @classmethod
    def sources_of(cls, target: str) -> list[str]:
        """Return the states from which ``target`` may be entered."""
        return [source for source, targets in cls.TRANSITIONS.items() if target in targets]

    @classmethod
    def final_states(cls) -> list[str]:
        """Return the states that nothing leaves."""
        return [str(state) for state, targets in cls.TRANSITIONS.items() if not targets]

    @property
    def is_final(self) -> bool:
        return not self.TRANSITIONS[self.status]

    def lock(self) -> None:
        """Read the row again and hold it until the transaction ends."""
        self.refresh_from_db(from_queryset=type(self)._base_manager.select_for_update(of=("self",)))

    def move_to(self, target: str, **changes: Any) -> None:
        """Enter ``target`` and make ``changes``, or raise ``TransitionError``."""
        row = type(self)._base_manager.filter(pk=self.pk)
        if not row.filter(status__in=self.sources_of(target)).update(status=target, **changes):
            current = row.values_list("status", flat=True).first() or "gone"
            raise TransitionError(f"{self} is {current}, so it cannot become {target}.", current=current)
        self._take_over({"status": target, **changes})

    def _take_over(self, values: dict[str, Any]) -> None:
        """Bring this object in line with what was written; what the database computed is read back."""
        computed = [name for name, value in values.items() if hasattr(value, "resolve_expression")]
        for name, value in values.items():
            if name not in computed:
                setattr(self, name, value)
        if computed:
            self.refresh_from_db(fields=computed)


StatefulT = TypeVar("StatefulT", bound=Stateful, covariant=True)


class StatefulQuerySet(models.QuerySet[StatefulT]):
    """Moving many rows at once, under the same guard as one."""

    def move_all_to(self, target: str, **changes: Any) -> int:
        """Let every row that may enter ``target`` do so, in one UPDATE; returns how many did."""
        return self.filter(status__in=self.model.sources_of(target)).update(status=target, **changes)
