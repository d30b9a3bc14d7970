"""Views that exist for tests only, built on the base classes as the product's own views are."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import django_filters
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db import connection, models
from django.http import Http404, HttpResponse, JsonResponse
from django.utils import timezone
from rest_framework import mixins, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import action
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.response import Response

from apps.core.actors import Actor
from apps.core.api.bodies import read_json
from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdField, IdFilter
from apps.core.api.parsers import StrictMultiPartParser
from apps.core.api.plain import api_view
from apps.core.api.serializers import InputSerializer, MomentField, NameField, OutputSerializer
from apps.core.api.views import ApiView, ApiViewSet
from apps.core.edge.middleware import quiet
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound, NotSignedIn, Problem, TooLarge, Unavailable
from apps.requests.models import IdempotencyRecord
from apps.requests.views import answer_once


class NamedCaller(BaseAuthentication):
    """Believes whoever names themselves in ``X-Test-Caller``."""

    security_schemes = ("bearer", "apiKey")

    def authenticate(self, request):
        name = request.headers.get("X-Test-Caller")
        if name == "expired":
            raise AuthenticationFailed("This API key has expired.", code="bad_api_key")
        return (None, Actor("service", name, name)) if name else None


class Echo(ApiView):
    authentication_classes = [NamedCaller]

    def get(self, request):
        return Response({"query": request.query_params})

    def post(self, request):
        return Response({"body": request.data})


class EchoSmall(Echo):
    body_limit = 100


class EchoLists(Echo):
    takes_lists = True


class Upload(ApiView):
    authentication_classes = [NamedCaller]
    parser_classes = [StrictMultiPartParser]
    body_limit = 4096

    def post(self, request):
        names = {name: upload.name for name, upload in request.FILES.items()}
        return Response({"fields": request.POST, "files": names})


class OpenToAll(ApiView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def post(self, request):
        return Response({"hello": "anybody"})


@api_view("POST")
def plain_echo(request):
    return JsonResponse({"body": read_json(request, limit=1000)})


@api_view("POST")
def plain_once(request):
    body = read_json(request)
    actor = Actor("robot", "r1", "r1")
    return answer_once(lambda: _made(body), request=request, actor=actor, data=body)


def _made(body):
    return JsonResponse({"made": body}, status=201, headers={"Location": "/made/1"})


def _database(sql):
    def run():
        with connection.cursor() as cursor:
            cursor.execute(sql)

    return run


def _raise(error: Exception):
    def run():
        raise error

    return run


FAULTS = {
    "invalid": _raise(
        Invalid("Two things are wrong.", problems=[Problem("name", "Too long."), Problem("size", "Odd.")])
    ),
    "not-signed-in": _raise(NotSignedIn("Sign in first.")),
    "not-allowed": _raise(NotAllowed("You may not.", permission="jobs.cancel_job", actor=Actor.system("tests"))),
    "not-found": _raise(NotFound("There is no such job.")),
    "conflict": _raise(Conflict("It is running.", code="illegal_transition", current="running")),
    "too-large": _raise(TooLarge("Too much.", limit=10)),
    "unavailable": _raise(Unavailable("Not now.", retry_after=7)),
    "rest-unauthenticated": _raise(NotAuthenticated()),
    "rest-throttled": _raise(Throttled(wait=3.2)),
    "rest-invalid": _raise(serializers.ValidationError({"items": [{}, {"name": ["This field is required."]}]})),
    "django-404": _raise(Http404("No such row in apps.jobs.models.Job")),
    "django-denied": _raise(PermissionDenied()),
    "django-invalid": _raise(ValidationError({"name": ["Too long."]})),
    "django-suspicious": _raise(SuspiciousOperation("inner words")),
    "data-error": _database("SELECT 'x\\' || 1/0"),
    "number-out-of-range": _database("SELECT 99999999999::int"),
    "unique": _database(
        "INSERT INTO django_content_type (app_label, model) SELECT app_label, model FROM django_content_type"
    ),
    "statement-timeout": _database("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)"),
    "bug": _raise(ZeroDivisionError("secret inner words")),
}


class Faulty(ApiView):
    authentication_classes = [NamedCaller]

    def get(self, request, fault):
        FAULTS[fault]()


def plain_faulty(request, fault):
    FAULTS[fault]()


def page_faulty(request, fault):
    FAULTS[fault]()


@quiet
@api_view("GET")
def quiet_view(request):
    return HttpResponse("hush")


def make_record(key: str, *, principal: str, status_code: int = 200, method: str = "POST") -> IdempotencyRecord:
    return IdempotencyRecord.objects.create(
        principal=principal,
        key=key,
        method=method,
        path="/x",
        body_hash="0",
        status_code=status_code,
        body=b"",
        expires_at=timezone.now() + timedelta(days=1),
    )


class Records(models.QuerySet):
    """Rows of a real table; each caller sees those made in its own name."""

    def visible_to(self, actor):
        return self.filter(principal__startswith=actor.name)


class RecordOut(OutputSerializer):
    class Meta:
        model = IdempotencyRecord
        fields = ["id", "key", "method", "status_code", "created_at"]


class MakeRecord(InputSerializer):
    name = NameField(max_length=50)
    status_code = serializers.IntegerField(required=False)
    process_id = IdField(required=False)
    due_at = MomentField(required=False)


class RenameRecord(InputSerializer):
    name = NameField()


class RecordFilters(ApiFilterSet):
    key = TextFilter()
    method = django_filters.MultipleChoiceFilter(choices=[("GET", "GET"), ("POST", "POST")])
    record_id = IdFilter(field_name="id")
    created = django_filters.IsoDateTimeFromToRangeFilter(field_name="created_at")

    class Meta(ApiFilterSet.Meta):
        model = IdempotencyRecord
        fields = ["key", "method", "status_code"]


class RecordViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Rows for tests."""

    authentication_classes = [NamedCaller]
    queryset = Records(IdempotencyRecord)
    serializer_class = RecordOut
    filterset_class = RecordFilters
    input_serializers = {"create": MakeRecord, "rename": RenameRecord}
    orderings = ("status_code", "key", "created_at")

    def create(self, request):
        asked = self.asked()
        row = make_record(asked["name"], principal=f"{self.actor.name}/{uuid4()}")
        return self.answer(row, status=201)

    @action(detail=True, methods=["post"])
    def rename(self, request, id: Any):
        row = self.get_object()
        row.key = self.asked()["name"]
        return self.answer(row)

    @action(detail=True, methods=["post"])
    def touch(self, request, id: Any):
        return self.answer(self.get_object())
