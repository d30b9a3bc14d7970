"""What every view of the API is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import Model, QuerySet
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from rest_framework import negotiation, parsers, renderers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.actors import Actor
from apps.core.api import database
from apps.core.api.callers import SignedIn, actor_if_known, actor_of
from apps.core.api.filters import ApiFilterBackend, refuse_unknown_parameters
from apps.core.api.identifiers import parse_id
from apps.core.api.pagination import NewestFirst
from apps.core.api.parsers import StrictJsonParser
from apps.core.api.schema import ApiSchema
from apps.core.api.serializers import InputSerializer
from apps.core.errors import NotFound

Handler = Callable[..., HttpResponseBase]


class AlwaysJson(negotiation.BaseContentNegotiation):
    """Answers in the one form there is, whatever the caller says it accepts: a 406 would help nobody."""

    def select_parser(self, request: Request, parsers: Iterable[parsers.BaseParser]) -> parsers.BaseParser | None:
        return negotiation.DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(
        self, request: Request, renderers: Iterable[renderers.BaseRenderer], format_suffix: str | None = None
    ) -> tuple[renderers.BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


class ApiView(APIView):
    """A view of the API: strict input, problem JSON, signed-in callers only, one repeat after a deadlock.

    ``body_limit`` is in bytes. A handler calls one service, so that it can be repeated.
    """

    parser_classes = [StrictJsonParser]
    renderer_classes = [renderers.JSONRenderer]
    content_negotiation_class = AlwaysJson
    permission_classes = [SignedIn]
    metadata_class = None
    #: Whether a POST under an idempotency key is answered once; not where a refusal must leave its trace, which would
    #: be undone with all else that the request did.
    answers_once: ClassVar[bool] = True
    schema = ApiSchema()

    @property
    def actor(self) -> Actor:
        """Whoever signed this request."""
        return actor_of(self.request)

    def read(self, serializer: type[InputSerializer]) -> dict[str, Any]:
        """Return the checked body of the request; raises REST framework's ``ValidationError``."""
        asked = serializer(data=self.request.data, context={"request": self.request, "view": self})
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the caller, then wrap the handler: REST framework has no place of its own between the two."""
        super().initial(request, *args, **kwargs)
        name = (request.method or "").lower()
        if name in self.http_method_names and hasattr(self, name):
            setattr(self, name, self._wrapped(getattr(self, name)))

    def _wrapped(self, handler: Handler) -> Handler:
        def answer(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            call = partial(handler, request, *args, **kwargs)
            if request.method != "POST" or not self.answers_once:
                return database.retry_once_on_deadlock(call)
            return database.retry_once_on_deadlock(lambda: _answer_once(request, call))

        return answer


def _answer_once(request: Request, call: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Call a handler that makes something, unless this very request was answered before."""
    for _, uploads in request.FILES.lists():
        for upload in uploads:
            upload.seek(0)
    actor = actor_if_known(request)
    if actor is None or "Idempotency-Key" not in request.headers:
        return call()
    # The table of answers lies above this app, so the project names who keeps it.
    answer_once = import_string(settings.API_ANSWER_ONCE)
    response: HttpResponseBase = answer_once(call, request=request._request, actor=actor, data=request.data)
    return response


class ApiViewSet(viewsets.GenericViewSet, ApiView):
    """The operations on one kind of row.

    ``queryset`` must know ``visible_to(actor)``: what the actor may not see is not there. ``input_serializers`` names
    what each action reads, ``serializer_class`` what all of them answer with. Rows are read, made and operated on, but
    not overwritten: a subclass with an ``update`` of its own adds ``patch`` to ``http_method_names``.
    """

    http_method_names = ["get", "head", "post", "delete", "options"]
    lookup_field = "id"
    lookup_url_kwarg = "id"
    queryset: Any = None
    pagination_class = NewestFirst
    filter_backends = [ApiFilterBackend]
    input_serializers: ClassVar[Mapping[str, type[InputSerializer]]] = {}
    #: Columns a list can be ordered by beside the id; never null.
    orderings: ClassVar[Sequence[str]] = ()
    #: Query parameters of actions other than ``list``; what is not named is refused.
    query_parameters: ClassVar[Mapping[str, frozenset[str]]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what an action would silently ignore: parameters it does not know, a body it does not read."""
        super().initial(request, *args, **kwargs)
        if self.action not in (None, "list"):
            refuse_unknown_parameters(request, self.query_parameters.get(self.action, frozenset()))
        if request.method == "POST" and self.action not in self.input_serializers:
            self.read(InputSerializer)

    def get_queryset(self) -> QuerySet:
        """Return the rows the caller may see."""
        assert self.queryset is not None, f"{type(self).__name__} has no queryset."
        if getattr(self, "swagger_fake_view", False):
            none: QuerySet = self.queryset.none()
            return none
        visible: QuerySet = self.queryset.all().visible_to(self.actor)
        return visible

    def get_object(self) -> Model:
        """Return the row the address names; raises ``NotFound`` alike for what is not there and what is not shown."""
        visible = self.get_queryset()
        row: Model | None = visible.filter(pk=parse_id(self.kwargs["id"])).first()
        if row is None:
            raise NotFound(f"There is no such {visible.model._meta.verbose_name}.")
        return row

    def asked(self) -> dict[str, Any]:
        """Return the checked body for the action under way."""
        return self.read(self.input_serializers[self.action])

    def answer(self, row: Any, *, status: int = 200) -> Response:
        """Return a row as callers see it."""
        return Response(self.get_serializer(row).data, status=status)
