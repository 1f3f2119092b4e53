"""Consent as a message of the contract."""

from datetime import datetime

from quintet.type.v1 import consent_pb2 as pb

from shared.consent import PURPOSES, Consent
from shared.errors import InvalidArgument
from shared.timestamps import to_timestamp

STATES = {
    pb.ConsentState.CONSENT_STATE_UNSPECIFIED: None,
    pb.ConsentState.CONSENT_STATE_GRANTED: True,
    pb.ConsentState.CONSENT_STATE_DENIED: False,
}
_OF_STATE = {said: state for state, said in STATES.items()}


def to_consent(message: pb.Consent, field: str) -> Consent:
    """Return what a message says. Raises InvalidArgument naming the purpose under `field` for an unknown state."""
    for purpose in PURPOSES:
        state = getattr(message, purpose)
        if state not in STATES:
            raise InvalidArgument.of(f"{field}.{purpose}", state, "must be one of the states")
    return Consent(*(STATES[getattr(message, purpose)] for purpose in PURPOSES))


def from_consent(consent: Consent, since: datetime | None) -> pb.Consent | None:
    """Return consent as a message; None when nothing was said."""
    if not consent.said:
        return None
    states = {purpose: _OF_STATE[getattr(consent, purpose)] for purpose in PURPOSES}
    return pb.Consent(**states, update_time=None if since is None else to_timestamp(since))
