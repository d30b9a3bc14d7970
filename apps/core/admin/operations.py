"""What an operator can do to rows: each operation is a service, a form for what it needs, and when it makes sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

from apps.core.actors import Actor
from apps.core.admin.forms import OperatorForm
from apps.core.errors import DomainError

Perform = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Secret:
    """Something that is shown on the page that answers its making, and never again."""

    what: str
    text: str
    #: What to do with it now, as text and as commands to type.
    advice: str = ""
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be done to a row, and to several at once where ``is_bulk``.

    ``service`` is called as ``service(row, actor=actor, **what the form asked for)``. ``permission`` is asked on the
    row before the form is shown, and again by the service.
    """

    name: str
    title: str
    permission: str
    service: Perform
    #: What it means, for whoever is about to do it: a text, or a function of the row.
    explain: str | Callable[[Any], str]
    form: type[OperatorForm] = OperatorForm
    icon: str = ""
    tone: str = ""
    button: str = ""
    done: str = "Done."
    applies: Callable[[Any], bool] = lambda row: True
    initial: Callable[[Any], Mapping[str, Any]] = lambda row: {}
    #: Takes a sign-in of the last minutes: who signed in longer ago confirms it before the form is shown. The service
    #: asks for it itself.
    is_sensitive: bool = False
    is_bulk: bool = False
    #: Does it to all ticked rows at once, called as ``service(queryset, actor=actor, **what the form asked for)``; it
    #: returns those it could be done to, and leaves out what the actor may not change.
    service_for_many: Perform | None = None
    #: Whether it stands beside the row's name, or in the menu with the rarer ones.
    is_main: bool = False
    #: It is for rows that lie in the bin; all others are for rows that do not.
    is_for_bin: bool = False
    #: Makes the answer out of what the service returned: a row to go to, or a secret to show.
    then: Callable[[Any, Any], Model | Secret | None] = lambda row, result: None
    #: Where the row is gone afterwards, the list is what comes next.
    ends_row: bool = False
    template: str = "operator/operation.html"
    context: Callable[[Any], Mapping[str, Any]] = field(default=lambda row: {})

    @property
    def submit(self) -> str:
        """What its button says."""
        return self.button or self.title

    def explanation(self, row: Any) -> str:
        """Return what it means for this row."""
        return self.explain if isinstance(self.explain, str) else self.explain(row)

    def perform(self, row: Any, *, actor: Actor, asked: Mapping[str, Any]) -> Any:
        """Do it to one row, in the service's own transaction. Raises ``DomainError``."""
        return self.service(row, actor=actor, **asked)


@dataclass(frozen=True, slots=True)
class Creation:
    """How a row is made: by which form and service, under which permission (held anywhere; the service asks where)."""

    title: str
    permission: str
    form: type[OperatorForm]
    #: Called with the actor and what the form asked for; returns the row, and a secret to show once if there is one.
    make: Callable[[Actor, dict[str, Any]], tuple[Any, Secret | None]]
    button: str = "Create"
    explain: str = ""
    icon: str = "add"
    #: As of an operation.
    is_sensitive: bool = False
    template: str = "operator/creation.html"


@dataclass(slots=True)
class Tally:
    """What came of an operation on several rows: each is a transaction of its own, one refusal undoes no other."""

    done: int = 0
    refused: list[tuple[Any, DomainError]] = field(default_factory=list)


def for_each(operation: Operation, rows: Any, *, actor: Actor, asked: Mapping[str, Any]) -> Tally:
    """Do an operation to each row and say honestly what was done and what was refused."""
    tally = Tally()
    for row in rows:
        try:
            operation.perform(row, actor=actor, asked=asked)
            tally.done += 1
        except DomainError as refusal:
            tally.refused.append((row, refusal))
    return tally
