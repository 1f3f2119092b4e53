"""From what a platform sends to what the event log keeps: checked, completed, its references resolved."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType

from shared.consent import NOTHING_SAID, Consent
from shared.consent_messages import to_consent
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_event, check_id, check_time
from shared.events.references import named_products, named_recommendations, product_ids
from shared.ids import new_id
from shared.recommendation_tokens import Shopper
from shared.timestamps import set_now, to_datetime

FEEDBACK = "feedback"
PURCHASE, REFUND = OF_ORDERS = ("purchase", "refund")
NOBODY = Shopper()
_INTERACTIONS = frozenset(InteractionType.values()) - {InteractionType.INTERACTION_TYPE_UNSPECIFIED}


class Submission(NamedTuple):
    """A checked event or feedback on its way into the log, and everything it refers to.

    `field` is its path in the request. `products` must exist; recommendations come with the field that names each.
    `order_id` is the platform's id of the order that a purchase records or a refund gives back. `shopper` is who
    responds to the recommendations. `wants_session` asks for the name of the event's session. `fresh` says that the id
    was made for it, so that it cannot be in the log. `consent` is what the shopper said with it. Without `recorded` it
    is acknowledged only.
    """

    event_id: str
    kind: str
    occurred_at: datetime
    payload: bytes
    field: str = "event"
    customer_id: str = ""
    visitor_id: str = ""
    products: Sequence[str] = ()
    recommendations: tuple[tuple[str, str], ...] = ()
    order_id: str = ""
    shopper: Shopper = NOBODY
    wants_session: bool = False
    fresh: bool = False
    consent: Consent = NOTHING_SAID
    recorded: bool = True

    @property
    def log_id(self) -> str:
        """Id in the log, where feedback has a space of its own: no event id can begin so."""
        return f"{FEEDBACK}\x1f{self.event_id}" if self.kind == FEEDBACK else self.event_id

    def product_field(self, place: int) -> str:
        """Return the path of one of the products in the request: for errors, so it is looked for only then."""
        named = named_products(Event.FromString(self.payload), self.kind, self.field)
        return next(islice(named, place, None))[1]


def submit_event(
    event: Event, field: str = "event", *, wants_session: bool = False, derived_id: str = ""
) -> Submission:
    """Check an event and complete it, in place, with an id and a time; `derived_id` is that of a repeatable request.

    Raises InvalidArgument naming the field under `field`.
    """
    kind = check_event(event, field)
    event_id = event.event_id or derived_id
    fresh = not event_id
    event.event_id = event_id = event_id or new_id()
    if not event.HasField("event_time"):
        set_now(event.event_time)
    if event.consent.HasField("update_time"):  # output only: whatever stands there is not checked, and not kept
        event.consent.ClearField("update_time")
    customer_id, visitor_id = event.customer_id, event.visitor_id
    recommendations = tuple(named_recommendations(event, kind, field))
    return Submission(
        event_id,
        kind,
        to_datetime(event.event_time),
        event.SerializeToString(),
        field,
        customer_id,
        visitor_id,
        product_ids(event, kind),
        recommendations,
        getattr(event, kind).purchase_id if kind in OF_ORDERS else "",
        Shopper(customer_id, visitor_id) if recommendations else NOBODY,
        wants_session and not event.session_id,
        fresh,
        to_consent(event.consent, f"{field}.consent") if event.HasField("consent") else NOTHING_SAID,
    )


def submit_feedback(feedback: Feedback, field: str = "feedback", *, derived_id: str = "") -> Submission:
    """Check a feedback and complete it with an id and a time; `derived_id` is that of a repeatable request.

    Raises InvalidArgument naming the field under `field`.
    """
    check_id(feedback.feedback_id, f"{field}.feedback_id", required=False)
    check_id(feedback.recommendation_id, f"{field}.recommendation_id")
    check_id(feedback.customer_id, f"{field}.customer_id", required=False)
    check_id(feedback.visitor_id, f"{field}.visitor_id", required=False)
    check_choice(feedback.interaction_type, f"{field}.interaction_type", _INTERACTIONS, "one of the types")
    if feedback.HasField("interaction_time"):
        check_time(feedback.interaction_time, f"{field}.interaction_time")
    complete = Feedback()
    complete.CopyFrom(feedback)
    complete.feedback_id = feedback.feedback_id or derived_id or new_id()
    if not complete.HasField("interaction_time"):
        set_now(complete.interaction_time)
    return Submission(
        event_id=complete.feedback_id,
        kind=FEEDBACK,
        occurred_at=to_datetime(complete.interaction_time),
        payload=complete.SerializeToString(),
        field=field,
        recommendations=((complete.recommendation_id, f"{field}.recommendation_id"),),
        shopper=Shopper(complete.customer_id, complete.visitor_id),
        fresh=not (feedback.feedback_id or derived_id),
    )


def require_distinct(ids: Sequence[str], field: str) -> None:
    """Raise InvalidArgument when an id occurs twice in a list."""
    seen: set[str] = set()
    for index, each in enumerate(ids):
        if each in seen:
            raise InvalidArgument.of(
                f"{field}[{index}]", each, "occurs twice in the request", ErrorReason.DUPLICATE_ELEMENT
            )
        seen.add(each)
