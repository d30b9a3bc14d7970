"""The API described in OpenAPI, from the views themselves."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, get_doc
from drf_spectacular.utils import OpenApiParameter

from apps.core.api.serializers import InputSerializer

_SESSION: Final = "The session of the admin; without TLS its cookie is called `bv_session`."
#: Ways to sign in; an authenticator names those it understands in ``security_schemes``.
SECURITY_SCHEMES: Final[dict[str, dict[str, str]]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key `bvu_…`, or the token `bvp_…` of a session.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "An API key: `bvu_…`."},
    "robotToken": {"type": "apiKey", "in": "header", "name": "X-Robot-Token", "description": "A robot's `bvr_…`."},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-bv_session", "description": _SESSION},
}
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Why a request was refused (RFC 9457). Programs read `code`; `detail` is for people.",
    "required": ["type", "title", "status", "detail", "code", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {"type": "string", "description": "Dotted place in the body, or a parameter."},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}
_ALWAYS: Final = {
    400: "The request is not acceptable.",
    401: "Sign in first.",
    403: "You may not do this.",
    429: "Too many requests; see `Retry-After`.",
    503: "Not now; see `Retry-After`.",
}
_FOR_WRITES: Final = {409: "The world has moved on, or the key was used for something else."}
_FOR_BODIES: Final = {413: "The body is too large.", 415: "The body is of another kind."}
_FOR_CONDITIONS: Final = {412: "Its condition holds no longer; `sha256` says what is there now."}
_FOR_ROWS: Final = {404: "There is no such thing, or you may not know of it."}
_STANDARD_ACTIONS: Final = frozenset({"list", "retrieve", "create", "update", "partial_update", "destroy"})
_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="The same key with the same body gives the same answer for 24 hours; with another body, 409.",
)


def canonical_only(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Leave out the addresses at which the same views, and the dialects of existing clients, answer as well."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]


class ApiSchema(AutoSchema):
    """Knows what the base views do: input per action, refusals, keys, and who signs requests."""

    def get_request_serializer(self) -> Any:
        inputs = getattr(self.view, "input_serializers", None)
        action = getattr(self.view, "action", None)
        if inputs is None:
            return super().get_request_serializer()
        return inputs.get(action)

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        mapped: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        return {**mapped, "additionalProperties": False} if isinstance(serializer, InputSerializer) else mapped

    def _get_request_for_media_type(self, serializer: Any, direction: Any = "request") -> Any:
        if serializer is None:
            return None, False
        return super()._get_request_for_media_type(serializer, direction)  # type: ignore[no-untyped-call]

    def get_summary(self) -> str:
        """Return the first sentence of what an operation says of itself."""
        first, _, _ = " ".join(self.get_description().split()).partition(". ")
        return first.removesuffix(".")

    def get_description(self) -> str:  # type: ignore[override]
        """Return what the handler says of itself; for the plain list and the plain read, what goes without saying."""
        action = getattr(self.view, "action", None) or self.method.lower()
        told: str = get_doc(getattr(self.view, action, None))
        if told or action not in ("list", "retrieve"):
            return told
        view: Any = self.view
        meta = view.queryset.model._meta
        if action == "list":
            return f"List the {meta.verbose_name_plural} you may see, newest first."
        return f"Read one {meta.verbose_name}."

    def get_override_parameters(self) -> list[Any]:
        return [_KEY] if self.method == "POST" and getattr(self.view, "answers_once", True) else []

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        # The address takes any text, so that it can say what an id is; what it accepts is a UUID.
        parameters: list[dict[str, Any]] = super()._resolve_path_parameters(variables)  # type: ignore[no-untyped-call]
        ids = {"type": "string", "format": "uuid"}
        return [one | ({"schema": ids} if one["name"] == "id" else {}) for one in parameters]

    def get_operation_id(self) -> str:
        action = getattr(self.view, "action", None)
        if self.method == "POST" and action and action not in _STANDARD_ACTIONS:
            return "_".join(part.replace("-", "_") for part in self._tokenize_path())
        return super().get_operation_id()

    def get_auth(self) -> list[dict[str, list[str]]]:
        names = [name for one in self.view.get_authenticators() for name in getattr(one, "security_schemes", ())]
        for name in names:
            self._component(name, ResolvedComponent.SECURITY_SCHEMA, SECURITY_SCHEMES[name])
        return [{name: []} for name in names]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        component = self._component("Problem", ResolvedComponent.SCHEMA, PROBLEM)
        content = {"application/problem+json": {"schema": component.ref}}
        refusals = {str(code): {"description": text, "content": content} for code, text in self._refusals().items()}
        return {**refusals, **bodies}

    def _component(self, name: str, kind: str, schema: dict[str, Any]) -> Any:
        component = ResolvedComponent(name=name, type=kind, object=name, schema=schema)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)
        return component

    def _refusals(self) -> dict[int, str]:
        is_write = self.method not in ("GET", "HEAD")
        has_body = self.method in ("POST", "PUT", "PATCH")
        return {
            **_ALWAYS,
            **(_FOR_ROWS if "{" in self.path else {}),
            **(_FOR_WRITES if is_write else {}),
            **(_FOR_BODIES if has_body else {}),
            **(_FOR_CONDITIONS if is_write and getattr(self.view, "takes_conditions", False) else {}),
        }
