"""Triggers and their firings."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import PAGE_PARAMETERS
from apps.core.api.identifiers import parse_id
from apps.core.api.rows import Reason, Restore, RowViewSet
from apps.core.api.views import ApiViewSet
from apps.core.errors import NotFound
from apps.rbac import services as rbac
from apps.tenancy.views.places import FOLDER_PARAMETERS, folder_for
from apps.triggers import services
from apps.triggers.filters import FiringFilters, TriggerFilters
from apps.triggers.models import Firing, Trigger
from apps.triggers.models.history import A_DAY, dry_run_of
from apps.triggers.models.previews import preview_of
from apps.triggers.serializers.triggers import (
    CreateTrigger,
    DryRunOut,
    FireTrigger,
    FiringOut,
    PreviewOut,
    PreviewTrigger,
    SkipNext,
    TriggerOut,
    UpdateTrigger,
)

MOST_STEPS = 1_000
"""Of a dry run that are shown."""


class TriggerViewSet(RowViewSet):
    """Triggers: rules that create jobs."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = Trigger.objects.alive().select_related(
        "folder", "process", "queue", "calendar", "target_robot", "target_machine"
    )
    serializer_class = TriggerOut
    filterset_class = TriggerFilters
    orderings = ("name", "created_at")
    input_serializers = {
        "restore": Restore,
        "create": CreateTrigger,
        "partial_update": UpdateTrigger,
        "disable": Reason,
        "fire": FireTrigger,
        "skip_next": SkipNext,
        "preview": PreviewTrigger,
    }

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make a trigger. Its parameters are checked as those of a job are. Ask `…/preview` first what it would do."""
        asked = self.asked()
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        return self.created(services.create_trigger(folder, actor=self.actor, **asked))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change a trigger; one that was broken is tried again. Jobs that were made stay as they are."""
        return self.operate(services.update_trigger)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a trigger out of every list. What it made stays, and goes on."""
        return self.remove(services.delete_trigger)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: Any) -> Response:
        """Take a trigger back out of the bin. It is switched off: enable it when it may fire.

        Refused with `name_taken`, and a `suggestion`, where the name was given away meanwhile: send another `name`.
        """
        return self.take_back(services.restore_trigger)

    @action(detail=True, methods=["post"])
    def enable(self, request: Request, id: Any) -> Response:
        """Switch a trigger on: it is next due at the first time after now, and failures count from none."""
        return self.operate(services.enable_trigger)

    @action(detail=True, methods=["post"])
    def disable(self, request: Request, id: Any) -> Response:
        """Switch a trigger off. Times that pass meanwhile are not made up for."""
        return self.operate(services.disable_trigger)

    @extend_schema(responses={201: FiringOut})
    @action(detail=True, methods=["post"])
    def fire(self, request: Request, id: Any) -> Response:
        """Make one job of a trigger now, whatever its schedule, calendar and overlap say, also while it is off."""
        firing = services.fire_trigger(self._trigger(), actor=self.actor, **self.asked())
        return Response(FiringOut(Firing.objects.with_jobs().get(pk=firing.pk)).data, status=201)

    @action(detail=True, methods=["post"], url_path="skip-next")
    def skip_next(self, request: Request, id: Any) -> Response:
        """Have the next time at which a trigger would fire skipped, or, with `skip: false`, not after all."""
        return self.operate(services.skip_next_time)

    @extend_schema(responses=PreviewOut, parameters=[*FOLDER_PARAMETERS])
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Say what a trigger with this configuration would do, before it is saved. Nothing is changed.

        In words; the next times it would be due, on its own clock and on yours, with what clocks do about then and
        where its calendar is silent; and what may not be meant.
        """
        asked = {"viewer_zone": getattr(self.actor.user, "time_zone", "UTC"), **self.asked()}
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        rbac.require(self.actor, "triggers.view_trigger", folder)
        return Response(PreviewOut(preview_of(asked.pop("configuration"), **asked)).data)

    @extend_schema(responses=DryRunOut)
    @action(detail=True, methods=["get"], url_path="dry-run")
    def dry_run(self, request: Request, id: Any) -> Response:
        """Say what a trigger would have done in the last 24 hours, had it been there as it is now.

        A queue trigger's wants are played over the items as they came. Brakes, limits and jobs of others are left out.
        """
        until = timezone.now()
        steps = dry_run_of(self._trigger(), until=until)
        told = {
            "since": until - A_DAY,
            "until": until,
            "jobs": sum(step.jobs for step in steps),
            "count": len(steps),
            "steps": steps[: -MOST_STEPS - 1 : -1],
        }
        return Response(DryRunOut(told).data)

    def _trigger(self) -> Trigger:
        trigger: Any = self.get_object()
        return trigger  # type: ignore[no-any-return]


class FiringViewSet(ApiViewSet):
    """What became of the due times of one trigger."""

    http_method_names = ["get", "head", "options"]
    queryset = Firing.objects.all()
    serializer_class = FiringOut
    filterset_class = FiringFilters
    query_parameters = {"firings": PAGE_PARAMETERS | {"status", "code"}}

    def get_queryset(self) -> QuerySet[Firing]:
        """Return the firings of the trigger of the address. Raises ``NotFound`` where the caller may not see it."""
        if getattr(self, "swagger_fake_view", False):
            return self.queryset.none()
        visible = Trigger.objects.alive().visible_to(self.actor).filter(pk=parse_id(self.kwargs["id"]))
        if (trigger := visible.first()) is None:
            raise NotFound("There is no such trigger.")
        return Firing.objects.filter(trigger=trigger).with_jobs()

    @extend_schema(operation_id="triggers_firings", responses=FiringOut(many=True))
    def firings(self, request: Request, id: Any) -> Response:
        """List what became of the times at which a trigger was due or fired by hand, the newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
