"""Consent that comes with events: stored for each shopper once a batch, and only where it is news."""

from collections.abc import Iterable
from datetime import UTC, datetime

from services.coordinator.event_validation import Submission
from shared.consent import NOTHING_SAID, Consent
from shared.db import consents
from shared.db.engine import Connection


def store_consent(connection: Connection, said: Iterable[tuple[int | None, Submission]]) -> None:
    """Store what submissions say about consent, by the key of the shopper; those without a key are left out.

    Of several of one shopper, the later word counts, by the time at which it was said.
    """
    latest: dict[int, tuple[Consent, datetime]] = {}
    for key, submission in sorted(said, key=lambda each: each[1].occurred_at):
        if key is not None:
            before, _ = latest.get(key, (NOTHING_SAID, None))
            moment = min(submission.occurred_at, datetime.now(UTC))
            latest[key] = submission.consent.over(before), moment
    stored = consents.consents_of(connection, latest) if latest else {}
    for key, (consent, moment) in latest.items():
        known = stored.get(key)
        if known is not None and consent.over(known) != known:
            consents.store(connection, key, consent, moment)
