"""Opaque credentials: how they look, how they are stored, how they are checked.

A token reads ``bv<kind>_<public>_<secret><checksum>``. The public part finds its row; the secret is kept only as a
keyed hash; the checksum lets a scanner, and our own log filter, recognise one without asking the database.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import ClassVar, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from apps.core import statements
from apps.core.models import TenantRow

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PUBLIC_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 10, 43, 6


@dataclass(frozen=True, slots=True)
class PlainToken:
    """A credential as its holder knows it. ``str()`` gives the text; it is shown once and never stored."""

    kind: str
    public: str
    secret: str

    def __str__(self) -> str:
        body = f"bv{self.kind}_{self.public}_{self.secret}"
        return body + checksum(body)

    def __repr__(self) -> str:
        return f"<token bv{self.kind}_{self.public}>"

    def digest(self, key: str) -> str:
        """Return the keyed hash that is stored in place of the secret."""
        return hmac.new(key.encode(), self.secret.encode(), hashlib.sha256).hexdigest()


def generate(kind: str) -> PlainToken:
    """Make a new credential with 256 bits of randomness."""
    return PlainToken(kind, _random(PUBLIC_LENGTH), _random(SECRET_LENGTH))


def another(kind: str, public: str) -> PlainToken:
    """Make a new secret for a credential that goes on being found by its public part."""
    return PlainToken(kind, public, _random(SECRET_LENGTH))


def derive(kind: str, key: str, purpose: str) -> PlainToken:
    """Make the credential that belongs to ``purpose`` under ``key``: the same one each time.

    For clients that ask for a token again and again although it is stored hashed: whoever presents the key again
    gets the same answer, and a new key gives a new one.
    """
    material = hmac.new(key.encode(), purpose.encode(), hashlib.sha512).digest()
    number, letters = int.from_bytes(material), []
    for _ in range(PUBLIC_LENGTH + SECRET_LENGTH):
        number, remainder = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[remainder])
    text = "".join(letters)
    return PlainToken(kind, text[:PUBLIC_LENGTH], text[PUBLIC_LENGTH:])


def parse(text: str) -> PlainToken | None:
    """Return the parts of a well-formed token, or ``None``; a wrong checksum costs no database look-up."""
    prefix, _, rest = text.partition("_")
    public, _, tail = rest.partition("_")
    lengths_right = len(public) == PUBLIC_LENGTH and len(tail) == SECRET_LENGTH + CHECKSUM_LENGTH
    if not (text.isascii() and len(prefix) == 3 and prefix.startswith("bv") and lengths_right):
        return None
    token = PlainToken(prefix[2], public, tail[:SECRET_LENGTH])
    return token if hmac.compare_digest(str(token), text) else None


def is_secret_of(digest: str, plain: PlainToken) -> bool:
    """Say whether a stored hash is that of a credential's secret, in constant time."""
    return any(
        hmac.compare_digest(digest, plain.digest(pepper))
        for pepper in (settings.TOKEN_PEPPER, *settings.TOKEN_PEPPER_FALLBACKS)
    )


def checksum(body: str) -> str:
    """Return six base-62 digits of the CRC-32 of ``body``."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, remainder = divmod(number, len(ALPHABET))
        digits = ALPHABET[remainder] + digits
    return digits


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


TokenT = TypeVar("TokenT", bound="Credential")


class Credential(models.Model):
    """One credential of one holder. Subclasses add the holder and name their ``KIND`` letter."""

    KIND: ClassVar[str]

    public = models.CharField(max_length=PUBLIC_LENGTH, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def holding(cls, plain: PlainToken, **fields: object) -> Self:
        """Return an unsaved row for a credential; the secret itself is left behind here."""
        return cls(public=plain.public, digest=plain.digest(settings.TOKEN_PEPPER), **fields)

    @classmethod
    def matching(cls, text: str, *related: str) -> Self | None:
        """Return the live row that ``text`` is the credential of, with ``related`` rows, or ``None``."""
        plain = parse(text)
        if plain is None or plain.kind != cls.KIND:
            return None
        row = _by_public(cls, related).first(public=plain.public)
        return row if row is not None and row.accepts(plain) else None

    @classmethod
    def live(cls) -> models.Q:
        """Return the condition under which a row counts, by the database's clock."""
        return models.Q(revoked_at=None) & (models.Q(expires_at=None) | models.Q(expires_at__gt=Now()))

    def accepts(self, plain: PlainToken) -> bool:
        """Say whether the secret matches, in constant time, and the credential is still good."""
        return is_secret_of(self.digest, plain) and self.is_live(timezone.now())

    def is_live(self, now: datetime) -> bool:
        """Say whether the credential is neither revoked nor expired."""
        return (self.revoked_at is None or self.revoked_at > now) and (self.expires_at is None or self.expires_at > now)

    def seconds_left(self, now: datetime) -> int | None:
        """Return for how many seconds the credential goes on working, or ``None`` where nothing ends it."""
        ends = [moment for moment in (self.expires_at, self.revoked_at) if moment is not None]
        return max(0, int((min(ends) - now).total_seconds())) if ends else None

    @property
    def shown_as(self) -> str:
        """What identifies the credential to a person, without its secret."""
        return f"bv{self.KIND}_{self.public}_…"


class Token(TenantRow, Credential):
    """A credential that belongs to one tenant."""

    class Meta:
        abstract = True


@cache
def _by_public(kind: type[TokenT], related: tuple[str, ...]) -> statements.Worded[TokenT]:
    public = statements.Slot("public", models.CharField())
    return statements.Worded(lambda: kind._base_manager.filter(public=public).select_related(*related))


#: How long an old credential goes on working after a rotation.
ROTATION_OVERLAP = timedelta(minutes=10)
