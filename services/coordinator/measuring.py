"""What of submissions is not recorded, because the shopper does not permit `measure` or the list counts nothing."""

from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType

from services.coordinator.event_validation import FEEDBACK, Submission

IMPRESSION = "impression"


def unmeasured(submission: Submission) -> Submission:
    """Return a submission without what it says about displays and clicks of recommendations.

    What says nothing else is not recorded.
    """
    payload = unmeasured_payload(submission.kind, submission.payload)
    return submission._replace(recorded=False) if payload is None else submission._replace(payload=payload)


def unmeasured_payload(kind: str, payload: bytes) -> bytes | None:
    """Return a message without what it says about displays and clicks; None where it says nothing else.

    A dismissal is no measurement: it stays.
    """
    if kind == FEEDBACK:
        dismissed = Feedback.FromString(payload).interaction_type == InteractionType.INTERACTION_TYPE_DISMISS
        return payload if dismissed else None
    if kind == IMPRESSION:
        return None
    event = Event.FromString(payload)
    event.ClearField("recommendation_id")
    return event.SerializeToString()
