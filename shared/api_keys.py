"""API keys as callers send them, and who a caller is.

A key is `qk_<role>_<id>_<secret>`. The secret is 32 random bytes, so its SHA-256 digest gives nothing away and needs no
slow hash: only the digest is stored. The id is no secret; it finds the key.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.errors import InvalidArgument

PREFIX = "qk"
SECRET_BYTES = 32
ID_CHARACTERS = 12
LONGEST_KEY = 128
MOST_ORIGINS = 50
LONGEST_ORIGIN = 200
LONGEST_NAME = 100


class Role(StrEnum):
    """What a key may be used for; `shared/rpc/rights.py` says which methods that is."""

    STOREFRONT = "storefront"
    """Records what shoppers do and asks for recommendations."""
    BACKEND = "backend"
    """Does what a storefront does, and keeps customers and products up to date."""
    MERCHANDISER = "merchandiser"
    """Reads products and figures, and decides what pages show."""
    ADMIN = "admin"
    """May call everything."""


@dataclass(frozen=True)
class ApiKey:
    """A key as it is stored: without its secret, of which there is the SHA-256 digest."""

    key_id: str
    role: Role
    name: str
    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    browser: bool = False
    origins: tuple[str, ...] = ()
    rate_factor: float = 1.0

    def live(self, now: datetime) -> bool:
        """Return whether the key is valid at `now`."""
        return all(end is None or now < end for end in (self.expires_at, self.revoked_at))

    def matches(self, secret: str) -> bool:
        """Return whether `secret` is the key's, in a time that does not depend on where they differ."""
        return hmac.compare_digest(self.digest, digest(secret))


@dataclass(frozen=True)
class Caller:
    """Who calls. `key_id` is empty where keys are not asked for."""

    key_id: str
    role: Role
    browser: bool = False
    rate_factor: float = 1.0


ANYBODY = Caller("", Role.ADMIN)
"""The caller where keys are not asked for: only on loopback."""


@dataclass(frozen=True)
class PresentedKey:
    """A key as a caller sent it, taken apart. Nothing of it is checked but its form."""

    role: str
    key_id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> "PresentedKey | None":
        """Return the parts of `text`, or None when it has not the form of a key."""
        parts = text.split("_", 3)
        if len(text) > LONGEST_KEY or len(parts) != 4 or parts[0] != PREFIX or not text.isascii():
            return None
        return cls(parts[1], parts[2], parts[3])

    def __str__(self) -> str:
        return f"{PREFIX}_{self.role}_{self.key_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"PresentedKey({self.role!r}, {self.key_id!r})"


def generate(role: Role) -> PresentedKey:
    """Return a new key."""
    secret = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    return PresentedKey(role.value, secrets.token_hex(ID_CHARACTERS // 2), secret)


def digest(secret: str) -> bytes:
    """Return the SHA-256 digest of a secret, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def check_new_key(name: str, role: Role, browser: bool, origins: tuple[str, ...], rate_factor: float) -> None:
    """Raise InvalidArgument for what no key can be made of."""
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidArgument.of("name", name, f"must have 1 to {LONGEST_NAME} characters")
    if not 0 < rate_factor <= 1000:
        raise InvalidArgument.of("rate_factor", rate_factor, "must be above 0 and at most 1000")
    if browser != bool(origins):
        raise InvalidArgument.of("origins", list(origins), "belong to browser keys, which need at least one")
    if browser and role is not Role.STOREFRONT:
        raise InvalidArgument.of("role", role.value, "must be storefront for browser keys")
    _check_origins(origins)


def _check_origins(origins: tuple[str, ...]) -> None:
    if len(origins) > MOST_ORIGINS:
        raise InvalidArgument.of("origins", len(origins), f"must be at most {MOST_ORIGINS}")
    for origin in origins:
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or not host or "/" in host or len(origin) > LONGEST_ORIGIN:
            raise InvalidArgument.of("origins", origin, "must look like https://shop.example")
