"""`POST /feedback`: a flat object as feedback of the contract."""

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType

from services.coordinator.http.plain_fields import Fields
from shared.errors import InvalidArgument

WORDS = {
    "shown": InteractionType.INTERACTION_TYPE_SHOWN,
    "impression": InteractionType.INTERACTION_TYPE_SHOWN,
    "view": InteractionType.INTERACTION_TYPE_SHOWN,
    "click": InteractionType.INTERACTION_TYPE_CLICK,
    "add_to_cart": InteractionType.INTERACTION_TYPE_ADD_TO_CART,
    "dismiss": InteractionType.INTERACTION_TYPE_DISMISS,
}


def to_feedback_request(fields: Fields) -> pb.RecordFeedbackRequest:
    """Return the request that a flat object stands for. Raises InvalidArgument naming the field."""
    feedback = Feedback(
        feedback_id=fields.id("feedback_id"),
        recommendation_id=fields.id("recommendation_id"),
        interaction_type=_interaction_type(fields.text("interaction_type")),
        interaction_time=fields.time("timestamp", "interaction_time"),
        customer_id=fields.id("customer_id"),
        visitor_id=fields.id("visitor_id"),
    )
    fields.end("feedback")
    return pb.RecordFeedbackRequest(feedback=feedback)


def _interaction_type(text: str) -> InteractionType.ValueType:
    word = text.lower().replace("-", "_").removeprefix("interaction_type_")
    if word == "purchase":
        raise InvalidArgument.of("interaction_type", text, "purchases are credited from purchase events")
    if word not in WORDS:
        raise InvalidArgument.of("interaction_type", text, f"must be one of {', '.join(WORDS)}")
    return WORDS[word]
