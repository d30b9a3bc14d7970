"""What a person may see of a model in the admin, and which doors show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib.admin import ShowFacets
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import Http404, HttpRequest
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import choices, display, filters
from apps.core.admin.base import ModelAdmin
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.core.errors import NotAllowed


class Links:
    """Links to rows for one person: only what they may open is one, the rest is plain text."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._known: dict[tuple[type[Model], Any], bool] = {}

    def __call__(self, row: Any, text: Any = None) -> SafeString | str:
        return display.link(row, text, may_open=row is not None and self.may_open(row))

    def may_open(self, row: Any) -> bool:
        """Say whether the person may see the page of a row; each row is asked for once."""
        if self.actor.user is not None and self.actor.user.is_superuser:
            return True
        key = (type(row), row.pk)
        if key not in self._known:
            rows = type(row)._default_manager.all().visible_to(self.actor)
            self._known[key] = rows.filter(pk=row.pk).exists()
        return self._known[key]


class GuardedAdmin(ModelAdmin):
    """A list of what the person may see. Django's own forms and deletion are closed: they would go around services."""

    admin_site: OperatorSite

    #: What it takes to see rows, where it is not ``view_`` of the model itself.
    view_permission: ClassVar[str] = ""
    #: Keys shown as links in the list, to whoever may open what they point at.
    linked_rows: ClassVar[Sequence[str]] = ()

    actions = ()
    empty_value_display = display.NOTHING
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True

    def actor(self, request: HttpRequest) -> Actor:
        """Return the person at the page."""
        return actor_of(request)

    def links(self, request: HttpRequest) -> Links:
        """Return what makes links for the person at the page."""
        return Links(self.actor(request))

    def allows(self, request: HttpRequest, permission: str, row: Any) -> bool:
        """Say whether the person holds ``permission`` on ``row``."""
        return bool(request.user.has_perm(permission, row))

    def require(self, request: HttpRequest, permission: str, row: Any) -> None:
        """Raise ``NotAllowed`` unless the person holds ``permission`` on ``row``: before a form is shown."""
        if not self.allows(request, permission, row):
            raise self.not_allowed(request, permission, row)

    def not_allowed(self, request: HttpRequest, permission: str, row: Any = None) -> NotAllowed:
        """Return the refusal of ``permission``, on a row or anywhere."""
        where = "" if row is None else f" on {row}"
        return NotAllowed(
            f"It takes the permission {permission}{where}: ask an administrator for a role that has it.",
            permission=permission,
            target=row,
            actor=self.actor(request),
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are fetched by ``visible`` alone, so whoever has got one may see it."""
        permission = self.view_permission or f"{self.opts.app_label}.view_{self.opts.model_name}"
        return obj is not None or self.admin_site.holds(request, permission)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the person may see, deleted ones too."""
        rows: QuerySet[Any] = self.model._default_manager.all()
        return rows.visible_to(self.actor(request))  # type: ignore[attr-defined, no-any-return]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the list, with whether each link in them may be opened."""
        rows = choices.alive(self.visible(request))
        if not request.user.is_superuser:
            rows = rows.annotate(**{f"may_open_{name}": self._may_open(request, name) for name in self.linked_rows})
        if isinstance(self.list_select_related, list | tuple):
            rows = rows.select_related(*self.list_select_related)
        return rows.order_by(*self.get_ordering(request))

    def row_or_404(self, request: HttpRequest, identity: Any) -> Any:
        """Return a row that the person may see; what they may not see is not there."""
        rows = self.visible(request)
        if isinstance(self.list_select_related, list | tuple):
            rows = rows.select_related(*self.list_select_related)
        row = rows.filter(pk=identity).first()
        if row is None:
            raise Http404
        return row

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Take only what the list's own filters ask: any other look-up could read a column letter by letter."""
        return lookup in filters.lookups_of(self.get_list_filter(request))

    def _may_open(self, request: HttpRequest, name: str) -> Exists:
        key: Any = self.opts.get_field(name)
        rows = key.related_model._default_manager.all().visible_to(self.actor(request))
        return Exists(rows.filter(pk=OuterRef(key.attname)))
