"""Reading secrets out of HashiCorp Vault (KV version 2). They are kept in memory for a minute, and nowhere else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from apps.assets.models import AssetValue, CredentialStore
from apps.core import outgoing
from apps.core.errors import Unavailable
from apps.encryption.models import unseal

KEPT_SECONDS: Final = 60
MOST_KEPT: Final = 256
_SECONDS: Final = 10.0
_REFUSALS: Final = {
    400: "did not understand what was asked; is the namespace right?",
    403: "refused our token, or does not let it read there.",
    404: "has nothing there.",
    429: "is called too often.",
    503: "is sealed, or under maintenance.",
}
_kept: dict[tuple[Any, ...], tuple[float, Mapping[str, Any]]] = {}
_guard = threading.Lock()


class StoreFailed(Unavailable):
    """A store of others did not give what was asked for; nothing else is given in its place."""

    code = "store_failed"


def secrets_of(value: AssetValue) -> dict[str, str]:
    """Return the secret fields of a value that lie in a store of others. Raises ``StoreFailed``."""
    store, parts = value.store, value.asset.fields
    assert store is not None
    found = _data(store, value.path)
    names = value.keys if parts.is_open else {name: value.keys.get(name, name) for name in parts.secret}
    given = {name: found[key] for name, key in names.items() if key in found}
    missing = [name for name in names if name not in given and name not in parts.optional]
    if missing or not all(isinstance(text, str) for text in given.values()):
        raise StoreFailed(f"The store “{store}” has no text for {', '.join(missing or given)} there.", retry_after=60)
    return given


def look_up_token(store: CredentialStore) -> None:
    """Ask a store whether it is there and knows our token. Raises ``StoreFailed``."""
    _ask(store, "auth/token/lookup-self")


def _data(store: CredentialStore, path: str) -> Mapping[str, Any]:
    """Return what lies at a path, as it is there now or was within the last minute."""
    if store.deleted_at is not None:
        raise StoreFailed(f"The store “{store}” was deleted.", retry_after=60)
    key = (store.pk, store.changed_at, path)
    with _guard:
        until, kept = _kept.get(key, (0.0, {}))
    if until > time.monotonic():
        return kept
    whole = "/".join(part for part in (store.path_prefix, path) if part)
    found = _ask(store, f"{quote(store.mount)}/data/{quote(whole)}").get("data")
    data: Any = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise StoreFailed(f"The store “{store}” has nothing there.", retry_after=60)
    with _guard:
        while len(_kept) >= MOST_KEPT:
            _kept.pop(next(iter(_kept)))
        _kept[key] = (time.monotonic() + KEPT_SECONDS, data)
    return dict(data)


def _ask(store: CredentialStore, what: str) -> Mapping[str, Any]:
    headers = {"X-Vault-Token": unseal(store, "token"), "X-Vault-Request": "true"}
    if store.namespace:
        headers["X-Vault-Namespace"] = store.namespace
    try:
        answer = outgoing.send("GET", f"{store.address}/v1/{what}", headers=headers, seconds=_SECONDS)
    except Unavailable as error:
        raise StoreFailed(f"The store “{store}” cannot be read: {error}", retry_after=30) from error
    if answer.status != 200:
        said = _REFUSALS.get(answer.status, f"answered with the status {answer.status}.")
        raise StoreFailed(f"The store “{store}” {said}", retry_after=30)
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StoreFailed(f"The store “{store}” answered with something that is no JSON.", retry_after=30)
    return found
