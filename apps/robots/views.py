"""Machines and enrolment keys. Robots, whose answers show what they run, are found where jobs are known."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.rows import Reason, Restore, RowViewSet
from apps.robots import services
from apps.robots.filters import EnrolmentKeyFilters, MachineFilters
from apps.robots.models import EnrolmentKey, Machine
from apps.robots.serializers import (
    CreateEnrolmentKey,
    CreateMachine,
    EnrolmentKeyOut,
    EnrolmentKeyTextOut,
    MachineOut,
    NewEnrolmentKeyOut,
    NewMachineOut,
    UpdateEnrolmentKey,
    UpdateMachine,
)
from apps.tenancy.models import Folder
from apps.tenancy.views.places import TENANT_PARAMETER, tenant_for


class MachineViewSet(RowViewSet):
    """Machines: computers on which robots run."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = Machine.objects.alive().with_robots()
    serializer_class = MachineOut
    filterset_class = MachineFilters
    orderings = ("name", "created_at")
    input_serializers = {"restore": Restore, "create": CreateMachine, "partial_update": UpdateMachine}

    @extend_schema(parameters=[TENANT_PARAMETER], responses={201: NewMachineOut})
    def create(self, request: Request) -> Response:
        """Make a machine. The answer holds its enrolment key this once."""
        tenant = tenant_for(request, self.actor)
        machine, key = services.create_machine(tenant, actor=self.actor, **self.asked())
        return self.created(machine, machine_key=key)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change what a machine is called and which labels its robots have through it."""
        return self.operate(services.update_machine)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a machine without robots out of every list. Its key ends."""
        return self.remove(services.delete_machine)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: Any) -> Response:
        """Take a machine back out of the bin. It has no key: `regenerate-key` makes one.

        Refused with `name_taken`, and a `suggestion`, where the name was given away meanwhile: send another `name`.
        """
        return self.take_back(services.restore_machine)


class EnrolmentKeyViewSet(RowViewSet):
    """Enrolment keys: templates with which many machines enrol by themselves."""

    http_method_names = ["get", "head", "post", "patch", "options"]
    queryset = EnrolmentKey.objects.with_machines()
    serializer_class = EnrolmentKeyOut
    filterset_class = EnrolmentKeyFilters
    orderings = ("name", "created_at")
    input_serializers = {"create": CreateEnrolmentKey, "partial_update": UpdateEnrolmentKey, "revoke": Reason}

    def get_queryset(self) -> QuerySet[EnrolmentKey]:
        """Return the keys the caller may see, with the folders among those that they may see."""
        return self._with_folders(super().get_queryset())

    def shown(self, row: Any) -> Any:
        """Return a key again with its folders."""
        return self._with_folders(self.queryset.all()).get(pk=row.pk)

    @extend_schema(parameters=[TENANT_PARAMETER], responses={201: NewEnrolmentKeyOut})
    def create(self, request: Request) -> Response:
        """Make a key with which many machines enrol. The answer holds its text this once."""
        tenant = tenant_for(request, self.actor)
        key, text = services.create_enrolment_key(tenant, actor=self.actor, **self.asked())
        return self.created(key, enrolment_key=text)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change a key, for what it makes from now on; machines and robots that it made stay as they are."""
        return self.operate(services.update_enrolment_key)

    @extend_schema(request=None, responses=EnrolmentKeyTextOut)
    @action(detail=True, methods=["post"])
    def replace(self, request: Request, id: Any) -> Response:
        """Give a key a new text; the answer holds it this once. The old one makes nothing from now on.

        Robots that enrolled with it keep their tokens.
        """
        key: Any = self.get_object()
        return Response({"enrolment_key": services.replace_enrolment_key(key, actor=self.actor)})

    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, id: Any) -> Response:
        """End a key for good. Machines and robots that it made stay as they are."""
        return self.operate(services.revoke_enrolment_key)

    def _with_folders(self, keys: Any) -> QuerySet[EnrolmentKey]:
        seen = Folder.objects.visible_to(self.actor).filter(deleted_at=None).order_by("name")
        with_folders: QuerySet[EnrolmentKey] = keys.prefetch_related(Prefetch("folders", seen, to_attr="seen_folders"))
        return with_folders
