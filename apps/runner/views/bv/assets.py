"""Assets, in the calls of existing BV clients; by name, as their programs know them."""

from __future__ import annotations

import re
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.assets.rules import AssetType
from apps.core.api.bodies import read_json
from apps.core.api.plain import api_view
from apps.core.errors import Invalid, NotFound
from apps.runner import services
from apps.runner.authentication import Speaker, speaker_of
from apps.runner.serializers.robots import Body
from apps.runner.services.assets import Found
from apps.runner.views.robots import reply

#: What their programs call types.
WORDS: Final = {AssetType.INTEGER: "int", AssetType.BOOLEAN: "bool"}
MASK: Final = "***"
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")


@api_view("GET", "PUT")
def named(request: HttpRequest, name: str) -> HttpResponseBase:
    """Read an asset, or set what it is worth; of what is secret only that there is something."""
    speaker = speaker_of(request)
    data = read_json(request) if request.method == "PUT" else None
    found = services.find_asset(name, actor=speaker.actor, within=speaker.own)
    if data is not None:
        _set(found, speaker.actor, data)
    return reply(_shown(found))


@api_view("GET", "PUT")
def secret(request: HttpRequest, name: str) -> HttpResponseBase:
    """Read a secret, or set it."""
    speaker = speaker_of(request)
    sent = _texts(request, "value") if request.method == "PUT" else []
    found = _of_type(services.find_asset(name, actor=speaker.actor, within=speaker.own), AssetType.SECRET)
    if sent:
        services.set_asset(found, actor=speaker.actor, secrets={"value": sent[0]})
        return reply({"name": found.asset.name, "type": "secret"})
    return _private({"value": services.deliver_secret(found, actor=speaker.actor).secrets["value"]})


@api_view("GET", "PUT")
def credential(request: HttpRequest, name: str) -> HttpResponseBase:
    """Read user name and password of a credential, or set them."""
    speaker = speaker_of(request)
    sent = _texts(request, "username", "password") if request.method == "PUT" else []
    found = _of_type(services.find_asset(name, actor=speaker.actor, within=speaker.own), AssetType.CREDENTIAL)
    if sent:
        public, password = {"username": sent[0]}, sent[1]
        services.set_asset(found, actor=speaker.actor, value=public, secrets={"password": password})
        return reply({"name": found.asset.name, "type": "credential", **public})
    given = services.deliver_secret(found, actor=speaker.actor)
    return _private({**given.value, **given.secrets})


@api_view("POST")
def resolve(request: HttpRequest) -> HttpResponseBase:
    """Hand out a secret, by its name, or a secret field of a credential, by ``name.field``."""
    speaker = speaker_of(request)
    (name,) = _texts(request, "name")
    found, field = _secret_named(name, speaker)
    given = services.deliver_secret(found, actor=speaker.actor)
    if field not in given.secrets:
        raise NotFound(f"The credential “{found.asset.name}” has no secret field “{field[:50]}”.", code="unknown_field")
    return _private({"value": given.secrets[field]})


@api_view("GET")
def metadata(request: HttpRequest, name: str) -> HttpResponseBase:
    """Return what may be seen of a credential."""
    speaker = speaker_of(request)
    found = _of_type(services.find_asset(name, actor=speaker.actor, within=speaker.own), AssetType.CREDENTIAL)
    public: dict[str, Any] = services.value_of(found).value or {}
    return reply({"name": found.asset.name, "username": "", **public})


def _texts(request: HttpRequest, *names: str) -> list[str]:
    """Return fields of the body that must all be texts. Raises ``Invalid``."""
    body = Body(read_json(request))
    texts = [body.take(name, _text, "a text") for name in names]
    body.done()
    return texts


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _secret_named(name: str, speaker: Speaker) -> tuple[Found, str]:
    """Return the asset that a name means, and which of its secret fields; a secret's own name may have dots."""
    try:
        found = services.find_asset(name, actor=speaker.actor, within=speaker.own)
        if found.asset.type == AssetType.SECRET:
            return found, "value"
    except NotFound:
        if "." not in name:
            raise
    whole, _, field = name.rpartition(".")
    credential = services.find_asset(whole or name, actor=speaker.actor, within=speaker.own)
    return _of_type(credential, AssetType.CREDENTIAL), field


def _of_type(found: Found, wanted: AssetType) -> Found:
    if found.asset.type != wanted:
        raise Invalid.field("name", f"“{found.asset.name}” is of the type {found.asset.type}, not {wanted}.")
    return found


def _set(found: Found, actor: Any, data: dict[str, Any]) -> None:
    if found.asset.is_secret:
        raise Invalid.field("name", "This asset is secret: set it as a secret or a credential.")
    if "value" not in data:
        raise Invalid.field("value", "say what it is worth.", code="required")
    services.set_asset(found, actor=actor, value=_read(found.asset.type, data["value"]))


def _read(type_: str, value: Any) -> Any:
    """Return a value as the asset's type wants it: their programs send texts for everything."""
    if type_ == AssetType.TEXT and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if not isinstance(value, str):
        return value
    if type_ == AssetType.INTEGER and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if type_ == AssetType.BOOLEAN and value.lower() in ("true", "false", "1", "0", "yes", "no"):
        return value.lower() in ("true", "1", "yes")
    return value


def _shown(found: Found) -> dict[str, Any]:
    asset = found.asset
    value = MASK if asset.is_secret else services.value_of(found).value
    body = {
        "id": str(asset.pk),
        "name": asset.name,
        "type": WORDS.get(AssetType(asset.type), asset.type),
        "value": value,
        "is_secret": asset.is_secret,
        "description": asset.description,
    }
    if asset.type == AssetType.CREDENTIAL:
        body["username"] = (services.value_of(found).value or {}).get("username", "")
    return body


def _private(body: dict[str, Any]) -> HttpResponseBase:
    """Answer with something secret, which nothing on the way may keep."""
    return reply(body, headers={"Cache-Control": "no-store"})
