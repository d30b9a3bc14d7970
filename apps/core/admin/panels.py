"""What the page of a row is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from apps.core.admin import display


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled part of a page, drawn by a template of its own."""

    title: str
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    icon: str = ""
    #: An id in the page, where something points at the panel or replaces it.
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    title: str
    rows: Sequence[tuple[str, Any]]
    icon: str = "info"
    anchor: str = ""
    template: ClassVar[str] = "operator/panels/facts.html"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; ``empty`` says what to do where there are none."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = "Nothing here yet."
    more: tuple[str, str] | None = None
    icon: str = ""
    anchor: str = ""
    template: ClassVar[str] = "operator/panels/table.html"


@dataclass(frozen=True, slots=True)
class Text:
    """Text as it stands, such as JSON or a traceback."""

    title: str
    text: str
    empty: str = ""
    is_bad: bool = False
    icon: str = ""
    anchor: str = ""
    template: ClassVar[str] = "operator/panels/text.html"

    @classmethod
    def of_json(cls, title: str, value: Any, *, empty: str = "Nothing.", icon: str = "data_object") -> Text:
        """Show a value as JSON; nothing at all, or an empty object, is said in words."""
        return cls(title, "" if value in (None, {}, []) else display.as_json(value), empty=empty, icon=icon)


AnyPanel = Panel | Facts | Table | Text


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a row: badges beside its name, then panels, the more important ones in the wide column."""

    badges: Sequence[Any] = ()
    lead: Any = ""
    notices: Sequence[Any] = ()
    #: What one would do next elsewhere: an icon, a text and an address each.
    steps: Sequence[tuple[str, str, str]] = ()
    main: Sequence[AnyPanel] = ()
    side: Sequence[AnyPanel] = ()
