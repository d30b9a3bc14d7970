"""Tokens of OAuth2 clients: fetched by the client credentials grant, kept sealed until shortly before they end."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from apps.assets.models import AssetValue
from apps.core import outgoing
from apps.core.errors import Unavailable
from apps.encryption.models import seal, unseal

#: A token is not given out in its last moments: whoever has it means to use it.
MARGIN: Final = timedelta(seconds=60)
USUAL_SECONDS, LONGEST_SECONDS = 300, 7 * 86_400
LONGEST_TOKEN: Final = 16 * 1024
_WAIT: Final = "30s"


class TokenRefused(Unavailable):
    """The token address of an OAuth2 client gave no token."""

    code = "token_refused"


@dataclass(frozen=True, slots=True)
class Token:
    """What a job is given in place of the client's secret."""

    text: str
    kind: str
    expires_at: str


def token_of(value: AssetValue, secret: Callable[[], str]) -> Token:
    """Return a token of a client: the one that is kept, or a new one, for which everybody else waits.

    ``secret`` returns the client's. Raises ``TokenRefused``, ``Unavailable``.
    """
    kept = _kept(value)
    if kept is not None:
        return kept
    try:
        # The lock alone gives the transaction no number, so that nobody's snapshot waits for the call.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_WAIT])
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"oauth2 {value.pk}"])
            value.refresh_from_db(fields=["token", "token_until", "value", "changed_at"])
            return _kept(value) or _renewed(value, secret())
    except OperationalError as error:
        raise TokenRefused("A token is being fetched for somebody else; try again.", retry_after=5) from error


def _kept(value: AssetValue) -> Token | None:
    if not value.token or value.token_until is None or value.token_until <= timezone.now():
        return None
    return Token(**json.loads(unseal(value, "token")))


def _renewed(value: AssetValue, secret: str) -> Token:
    """Fetch a token and keep it, unless the value was set anew meanwhile."""
    given = _fetched(value, secret)
    token, seconds = _read(value, given)
    ends = timezone.now() + timedelta(seconds=seconds)
    made = Token(token, str(given.get("token_type") or "Bearer")[:50], ends.isoformat())
    seal(value, "token", json.dumps(asdict(made)))
    until = ends - min(MARGIN, timedelta(seconds=seconds / 2))
    unchanged = AssetValue.objects.filter(pk=value.pk, changed_at=value.changed_at)
    unchanged.update(token=value.token, token_until=until)
    return made


def _fetched(value: AssetValue, secret: str) -> dict[str, Any]:
    public: Any = value.value
    whose = f"{quote_plus(public['client_id'])}:{quote_plus(secret)}"
    asked = {"grant_type": "client_credentials"} | ({"scope": public["scope"]} if public.get("scope") else {})
    headers = {
        "Authorization": f"Basic {base64.b64encode(whose.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    try:
        answer = outgoing.send("POST", public["token_url"], headers=headers, body=urlencode(asked).encode())
    except Unavailable as error:
        raise TokenRefused(f"No token for “{value.asset}”: {error}", retry_after=30) from error
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if answer.status != 200 or not isinstance(found, dict):
        raise TokenRefused(
            f"No token for “{value.asset}”: its token address answered with the status {answer.status}"
            f"{_code_in(found)}. Are client id and secret right?",
            retry_after=30,
        )
    return found


def _code_in(found: Any) -> str:
    """Return the error that the standard knows; what else they say may repeat what they were sent."""
    code = found.get("error") if isinstance(found, dict) else None
    return f" ({code})" if code in _ERRORS else ""


_ERRORS: Final = (
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope",
)  # fmt: skip


def _read(value: AssetValue, given: dict[str, Any]) -> tuple[str, float]:
    text, seconds = given.get("access_token"), given.get("expires_in", USUAL_SECONDS)
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit():
        seconds = int(seconds[:9])
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TOKEN or not is_number or not seconds > 0:
        raise TokenRefused(f"No token for “{value.asset}”: its token address answered without one.", retry_after=30)
    return text, min(float(seconds), LONGEST_SECONDS)
