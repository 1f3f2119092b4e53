"""Recommendation ids in submissions: verified by their key alone, and stored as the numbers that the database knows."""

from collections.abc import Mapping, Sequence

from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import Feedback

from services.coordinator.event_validation import FEEDBACK, Submission
from services.coordinator.measuring import IMPRESSION
from shared.events.references import ATTRIBUTION_TOKEN
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
    named = {token: _verified(token, field, submission, tokens) for token, field in submission.recommendations}
    numbers = {token: [str(each) for each in found if counts(each)] for token, found in named.items()}
    if not any(numbers.values()) and submission.kind in (FEEDBACK, IMPRESSION):
        return submission._replace(recorded=False)
    payload = _numbered_feedback if submission.kind == FEEDBACK else _numbered_event
    return submission._replace(payload=payload(submission.payload, numbers))


def _verified(token: str, field: str, submission: Submission, tokens: TokenKeys) -> list[int]:
    """Return the numbers of what a token names: of one recommendation, or of all of a list."""
    if field.endswith(ATTRIBUTION_TOKEN):
        return tokens.verify_list(token, submission.shopper, field)
    return [tokens.verify(token, submission.shopper, field)]


def _numbered_feedback(payload: bytes, numbers: Mapping[str, Sequence[str]]) -> bytes:
    feedback = Feedback.FromString(payload)
    [feedback.recommendation_id] = numbers[feedback.recommendation_id]
    # They were needed for the check only. Without them an erasure need not look for names in payloads of feedback.
    feedback.ClearField("customer_id")
    feedback.ClearField("visitor_id")
    return feedback.SerializeToString()


def _numbered_event(payload: bytes, numbers: Mapping[str, Sequence[str]]) -> bytes:
    event = Event.FromString(payload)
    if event.recommendation_id:
        event.recommendation_id = next(iter(numbers[event.recommendation_id]), "")
    if event.WhichOneof("detail") == IMPRESSION:
        impression = event.impression
        named = [*impression.recommendation_ids, impression.attribution_token]
        shown = dict.fromkeys(number for each in named for number in numbers.get(each, ()))
        impression.recommendation_ids[:] = shown
        impression.ClearField(ATTRIBUTION_TOKEN)
    return event.SerializeToString()
