"""What an entry may show, and how entries are chained. Pure functions.

The chain, so that a stranger's program can check it. An entry's **text** is JSON of its columns but ``xid``, keys
sorted, no spaces, UTF-8 as it is, times as UTC ISO 8601 with microseconds, ids and addresses as text. Within a tenant
each entry has a **link**, SHA-256 of the link before it and its text; the first link of a seal starts from the hash of
the seal before it, the very first from 32 zero bytes. A seal's **hash** is SHA-256 of its own JSON, written the same
way; its members are the entries' ids (16 bytes) each with its link (32 bytes).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

from apps.core.masking import mask_tokens_in_text

NOTHING_BEFORE = bytes(32)
LONGEST_TEXT = 2000

#: Names that tell of a secret; what is about one but is none itself ends otherwise.
_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|authori[sz]ation|cookie|private.?key|api.?key|machine.?key|signing.?key"
    r"|pepper|recovery.?code|(^|_)(pwd|otp|pin)($|_)",
    re.IGNORECASE,
)
_ABOUT_A_SECRET = re.compile(
    r"_(at|id|ids|by|count|name|kind|type|prefix|public|days|hours|minutes|seconds)$", re.IGNORECASE
)


def presentable(value: Any, *, key: str = "") -> Any:
    """Return ``value`` as JSON may hold it and as anybody who may read the trail may see it.

    What stands under a name that tells of a secret becomes a keyed hash: it shows that a secret changed, or did not,
    and nothing more. Tokens of ours are masked wherever they stand.
    """
    if value is None or isinstance(value, bool):
        return value
    if is_secret(key):
        return hidden(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): presentable(part, key=str(name)) for name, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [presentable(part) for part in value]
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return clean(value.isoformat() if hasattr(value, "isoformat") else str(value))


def is_secret(name: str) -> bool:
    """Say whether a value of that name is to be hidden."""
    return bool(_SECRET.search(name)) and not _ABOUT_A_SECRET.search(name)


def hidden(value: Any) -> str:
    """Return what stands for a secret: the same for the same secret, of use to nobody."""
    digest = salted_hmac("apps.audit", repr(value), secret=settings.TOKEN_PEPPER, algorithm="sha256")
    return f"hidden:{digest.hexdigest()[:16]}"


def clean(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """Return ``text`` with our tokens masked, without what PostgreSQL cannot store, and cut to ``longest``."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
    text = mask_tokens_in_text(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both sides of what differs, for ``record(…, before=…, after=…)``."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names if name in after},
    )


#: What kind of act an action is, by the verb that ends its name. Whatever is not named is ``other``.
ACTION_TYPES: Final[Mapping[str, str]] = {
    "created": "created|uploaded|added|registered|enrolled|bound|token_issued|invited|imported|restored",
    "modified": "updated|changed|renamed|set|replaced|rotated|regenerated|upgraded|prioritised|written|reviewed"
    "|assigned|shared|unshared|rewrapped|reencrypted|reassigned|moved",
    "deleted": "deleted|removed|revoked|dropped|pruned|destroyed|deregistered|purged|lifted",
    "status_changed": "enabled|disabled|activated|deactivated|paused|resumed|suspended|cancelled|killed|stop_requested"
    "|retried|requeued|failed|failed_by_hand|error_cleared|broken|drained|fired|locked|unlocked",
    "login": "signed_in|logged_in",
    "logout": "signed_out|logged_out",
}
OTHER: Final = "other"


def verbs_of(action_type: str) -> str:
    """Return the regular expression of the actions of a type; for ``other``, of those that are not of it."""
    verbs = ACTION_TYPES.get(action_type) or "|".join(ACTION_TYPES.values())
    return rf"[._]({verbs})$"


def type_of(action: str) -> str:
    """Return what kind of act an action is."""
    return next((kind for kind in ACTION_TYPES if re.search(verbs_of(kind), action)), OTHER)


def canonical(values: Mapping[str, Any]) -> bytes:
    """Return the one text that the chain is made over."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_as_text)
    return text.encode()


def digest(*parts: bytes) -> bytes:
    """Return the SHA-256 of ``parts`` one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def chain(start: bytes, texts: list[bytes]) -> list[bytes]:
    """Return the link after each of ``texts``."""
    links: list[bytes] = []
    for text in texts:
        links.append(digest(links[-1] if links else start, text))
    return links


def pack(members: list[tuple[UUID, bytes]]) -> bytes:
    """Return ids and links as they are stored."""
    return b"".join(identity.bytes + link for identity, link in members)


def unpack(members: bytes) -> list[tuple[UUID, bytes]]:
    """Return the ids and links that ``pack`` stored; a torn last one is left out."""
    return [
        (UUID(bytes=members[at : at + 16]), members[at + 16 : at + 48]) for at in range(0, len(members) // 48 * 48, 48)
    ]


def _as_text(value: Any) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else str(value)
