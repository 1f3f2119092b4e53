"""Recommendation ids in submissions: verified by their key alone, and stored as the numbers that the database knows."""

from collections.abc import Mapping

from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import Feedback

from services.coordinator.event_validation import FEEDBACK, Submission
from services.coordinator.measuring import IMPRESSION
from shared.recommendation_tokens import TokenKeys, counts


def with_numbers(submission: Submission, tokens: TokenKeys) -> Submission:
    """Return the submission with numbers in the place of the recommendation ids that shops see.

    Keys may be replaced later; the numbers in the event log stay valid. Recommendations that count nothing are left
    out; a submission about nothing else is not recorded.

    Raises
    ------
    NotFound
        If Quintet did not make one of the ids.
    InvalidArgument
        If one was made for another shopper.
    """
    if not submission.recommendations:
        return submission
    named = {token: tokens.verify(token, submission.shopper, field) for token, field in submission.recommendations}
    numbers = {token: str(number) for token, number in named.items() if counts(number)}
    if not numbers and submission.kind in (FEEDBACK, IMPRESSION):
        return submission._replace(recorded=False)
    payload = _numbered_feedback if submission.kind == FEEDBACK else _numbered_event
    return submission._replace(payload=payload(submission.payload, numbers))


def _numbered_feedback(payload: bytes, numbers: Mapping[str, str]) -> bytes:
    feedback = Feedback.FromString(payload)
    feedback.recommendation_id = numbers[feedback.recommendation_id]
    # They were needed for the check only. Without them an erasure need not look for names in payloads of feedback.
    feedback.ClearField("customer_id")
    feedback.ClearField("visitor_id")
    return feedback.SerializeToString()


def _numbered_event(payload: bytes, numbers: Mapping[str, str]) -> bytes:
    event = Event.FromString(payload)
    if event.recommendation_id:
        event.recommendation_id = numbers.get(event.recommendation_id, "")
    if event.WhichOneof("detail") == IMPRESSION:
        shown = [numbers[each] for each in event.impression.recommendation_ids if each in numbers]
        event.impression.recommendation_ids[:] = shown
    return event.SerializeToString()
