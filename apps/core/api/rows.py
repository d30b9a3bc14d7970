"""Rows as callers meet them: named by id in bodies, listed, read, made, changed and operated on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework import mixins, serializers
from rest_framework.response import Response

from apps.core.api.identifiers import IdField, parse_id
from apps.core.api.serializers import InputSerializer
from apps.core.api.views import ApiViewSet
from apps.core.errors import Invalid, NotFound


class RowField(IdField):
    """The id of a row in a body, which becomes the row. What the caller may not see is not there.

    ``rows`` is a queryset that knows ``visible_to(actor)``, such as ``Process.objects.alive()``.
    """

    default_error_messages = {"unknown": "There is no such {noun}."}

    def __init__(self, rows: QuerySet[Any], **kwargs: Any) -> None:
        self.rows = rows
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        identity = super().to_internal_value(data)
        visible: Any = self.rows.all()
        row = visible.visible_to(self.context["view"].actor).filter(pk=identity).first()
        if row is None:
            self.fail("unknown", noun=self.rows.model._meta.verbose_name)
        return row


class RowRef(serializers.Serializer):
    """Another row, as far as one needs to know it."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)


class ChangeSerializer(InputSerializer):
    """What a caller may change: what is left out stays as it is. Put before the serializer of the create."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"partial": True, **kwargs})

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Name at least one field to change.", code="nothing_to_change")
        return attrs


class Reason(InputSerializer):
    """Why somebody does this; it stands in the audit trail."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=500, default="")


class Restore(InputSerializer):
    """Another name, where the old one was given away meanwhile."""

    name = serializers.CharField(required=False, max_length=200)


class RowViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Rows that can be listed and read, and on which services operate.

    A handler finds its row before it reads the body, so that what one may not see is 404 whatever one sends. Its
    ``basename`` in the router is the word in the address.
    """

    basename: str
    #: What can be had back from the bin: rows that know ``visible_to(actor)``, where they are not all of the model.
    restorable: Any = None

    def operate(self, operation: Callable[..., Any], **extra: Any) -> Response:
        """Call a service on the row of the address with what the body says; answer with the row as it is then."""
        row = self.get_object()
        asked = self.asked() if self.action in self.input_serializers else {}
        operation(row, actor=self.actor, **asked, **extra)
        return self.answer(self.shown(row))

    def remove(self, operation: Callable[..., Any]) -> Response:
        """Call a service that takes the row of the address away."""
        operation(self.get_object(), actor=self.actor)
        return Response(status=204)

    def take_back(self, operation: Callable[..., Any]) -> Response:
        """Call a service that takes the row of the address back out of the bin; answer with the row as it is then."""
        rows: Any = self.queryset.model._default_manager if self.restorable is None else self.restorable.all()
        row = rows.visible_to(self.actor).filter(pk=parse_id(self.kwargs["id"]), purged_at=None).first()
        if row is None:
            raise NotFound(f"There is no such {rows.model._meta.verbose_name}.")
        operation(row, actor=self.actor, **self.asked())
        return self.answer(self.shown(row))

    def created(self, row: Model, **shown_once: Any) -> Response:
        """Answer with a new row, its address, and what is shown only now."""
        body = {**self.get_serializer(self.shown(row)).data, **shown_once}
        return Response(body, status=201, headers={"Location": address_of(self.basename, row.pk)})

    def shown(self, row: Model) -> Model:
        """Return a row again with all that its answer shows: who has just written it may see what came of it."""
        again: Model = self.queryset.all().get(pk=row.pk)
        return again


def address_of(collection: str, identity: object, *rest: str) -> str:
    """Return where a row is found, whichever surface was called: the canonical one, from the server's root on."""
    return "/".join(["/api/v1", collection, str(identity), *rest])


def one_of(asked: dict[str, Any], *names: str) -> str:
    """Return which of several fields a body names. Raises ``Invalid`` unless it is exactly one."""
    given = [name for name in names if asked.get(name) is not None]
    if len(given) != 1:
        raise Invalid.field(names[0], f"name exactly one of {', '.join(names)}.")
    return given[0]
