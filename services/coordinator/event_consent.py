"""Consent that comes with events: stored for each shopper once a batch, and only where it is news."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from shared.consent import NOTHING_SAID, Consent, Permissions
from shared.db import consents
from shared.db.engine import Connection


def store_consent(connection: Connection, said: Iterable[tuple[int | None, datetime, Consent]]) -> None:
    """Store what was said about consent, when, by the key of the shopper; what has no key is left out.

    Of several of one shopper, the later word counts, by the time at which it was said.
    """
    latest: dict[int, tuple[Consent, datetime]] = {}
    for key, said_at, consent in sorted(said, key=lambda each: each[1]):
        if key is not None:
            before, _ = latest.get(key, (NOTHING_SAID, None))
            latest[key] = consent.over(before), min(said_at, datetime.now(UTC))
    stored = consents.consents_of(connection, latest) if latest else {}
    for key, (consent, moment) in latest.items():
        known = stored.get(key)
        if known is not None and consent.over(known) != known:
            consents.store(connection, key, consent, moment)


def denied_measuring(connection: Connection, keys: Collection[int], default: Permissions) -> set[int]:
    """Return those of the shoppers who do not permit `measure`; `default` is for who has said nothing."""
    said = consents.consents_of(connection, set(keys)) if keys else {}
    return {key for key, consent in said.items() if not consent.permissions(default).measure}
