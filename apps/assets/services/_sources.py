"""Where secret fields come from: sealed here, or a store of others. Nothing falls back on anything else.

Both may call others over the network: no transaction may wait for it.
"""

from __future__ import annotations

from typing import Any

from apps.assets.models import AssetValue
from apps.assets.rules import CredentialKind
from apps.assets.services import _oauth, _vault


def stored_secrets(value: AssetValue) -> dict[str, str]:
    """Return the secret fields of a value from where they lie. Raises ``StoreFailed``, ``Unopenable``."""
    return value.unseal() if value.store_id is None else _vault.secrets_of(value)


def delivered(value: AssetValue) -> tuple[Any, dict[str, str]]:
    """Return what a job is given: public and secret fields; of an OAuth2 client a token in place of its secret."""
    if value.asset.kind != CredentialKind.OAUTH2:
        return value.value, stored_secrets(value)
    token = _oauth.token_of(value, lambda: stored_secrets(value)["client_secret"])
    return {"token_type": token.kind, "expires_at": token.expires_at}, {"access_token": token.text}
