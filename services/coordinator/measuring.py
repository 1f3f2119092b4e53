"""What of submissions is not recorded, because the shopper does not permit `measure` or the list counts nothing."""

from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType

from services.coordinator.event_validation import FEEDBACK, Submission

IMPRESSION = "impression"


def unmeasured(submission: Submission) -> Submission:
    """Return a submission without what it says about displays and clicks of recommendations.

    What says nothing else is not recorded. A dismissal is no measurement: it stays.
    """
    if submission.kind == FEEDBACK:
        dismissed = Feedback.FromString(submission.payload).interaction_type == InteractionType.INTERACTION_TYPE_DISMISS
        return submission._replace(recorded=dismissed)
    if submission.kind == IMPRESSION:
        return submission._replace(recorded=False)
    event = Event.FromString(submission.payload)
    event.ClearField("recommendation_id")
    return submission._replace(payload=event.SerializeToString())
