"""Messages of the coordinator's API from and to plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import event_log_pb2 as event_log_pb
from quintet.coordinator.v1 import operations_pb2 as operations_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.customer_pb2 import TableRows
from quintet.type.v1.event_pb2 import Event, PageType
from quintet.type.v1.recommendation_pb2 import RecommendationContext

from services.coordinator.agent import SystemState
from services.coordinator.context import context_of
from services.coordinator.group_commit import CommitResult
from services.coordinator.product_import import Imported
from services.coordinator.uploads import Rejected, Tally
from shared.algorithms import ALGORITHM_NAMES, MOST_MINUTES, MOST_TRIALS
from shared.db.agent_samples import StoredSample
from shared.db.unjoined_events import Missing
from shared.events.check import check_choice, check_count, check_number
from shared.limits import MAX_ALGORITHMS
from shared.timestamps import to_timestamp


def to_tuning(request: pb.OptimizeAlgorithmsRequest, usual_minutes: float) -> recommendation_pb.TuneAlgorithmsRequest:
    """Return what is to be tuned, for `usual_minutes` unless they are said. Raises InvalidArgument."""
    check_number(request.max_trials, "max_trials", 0, MOST_TRIALS)
    check_number(request.tune_minutes, "tune_minutes", 0, MOST_MINUTES)
    check_count(request.algorithms, "algorithms", MAX_ALGORITHMS)
    for index, name in enumerate(request.algorithms):
        check_choice(name, f"algorithms[{index}]", ALGORITHM_NAMES, "the name of an algorithm")
    return recommendation_pb.TuneAlgorithmsRequest(
        algorithms=request.algorithms,
        max_trials=request.max_trials,
        max_minutes=request.tune_minutes if request.HasField("tune_minutes") else usual_minutes,
        only_if_changed=not request.tune_now,
    )


def to_rejection(rejected: Rejected) -> pb.Rejection:
    """Return a rejection as a message."""
    error = rejected.error
    return pb.Rejection(
        index=rejected.index,
        id=rejected.id,
        field=error.field,
        message=error.message,
        code=error.code.name,
        reason=error.reason,
        metadata=error.metadata,
    )


def to_customers_imported(tally: Tally) -> pb.ImportCustomersResponse:
    """Return what became of a stream of customers."""
    return pb.ImportCustomersResponse(
        created=tally.created,
        updated=tally.updated,
        rejected=tally.rejected,
        rejections=map(to_rejection, tally.rejections),
    )


def to_products_imported(imported: Imported) -> pb.ImportProductsResponse:
    """Return what became of a stream of products."""
    tally = imported.tally
    return pb.ImportProductsResponse(
        stale=imported.stale,
        retired=imported.retired,
        created=tally.created,
        updated=tally.updated,
        rejected=tally.rejected,
        rejections=map(to_rejection, tally.rejections),
    )


def to_rejections(outcomes: Iterable[tuple[int, CommitResult]]) -> list[Rejected]:
    """Return the refused ones of recorded submissions, with their places in the request."""
    return [
        Rejected(index, outcome.event_id, outcome.error) for index, outcome in outcomes if outcome.error is not None
    ]


def to_recommend_request(request: pb.GetRecommendationsRequest) -> recommendation_pb.RecommendRequest:
    """Return a request for recommendations as the recommendation agent takes it."""
    return recommendation_pb.RecommendRequest(
        customer_id=request.customer_id,
        visitor_id=request.visitor_id,
        context=request.context,
        limit=request.limit,
        filter=request.filter,
        placement_id=request.placement_id,
        page_token=request.page_token,
        diversity=request.diversity if request.HasField("diversity") else None,
        strategy=request.strategy,
        boosts=request.boosts if request.HasField("boosts") else None,
        consent=request.consent,
    )


def from_missing(missing: Sequence[Missing]) -> list[event_log_pb.MissingReference]:
    """Return what an event names and nobody knows."""
    kinds = event_log_pb.ReferenceKind
    return [
        event_log_pb.MissingReference(kind=kinds.Value(f"REFERENCE_KIND_{each.kind.upper()}"), id=each.external_id)
        for each in missing
    ]


def to_recommend_after(
    event: Event, options: pb.RecommendationOptions, missing: Sequence[Missing] = ()
) -> recommendation_pb.RecommendRequest:
    """Return the request for the recommendations that answer an event; its own context unless one is given.

    Of what is missing nothing can be asked: a page of an unknown product becomes the start page, and an unknown
    customer somebody new.
    """
    unknown = {each.kind for each in missing}
    own = RecommendationContext(session_id=event.session_id) if "product" in unknown else context_of(event)
    if options.placement_id:
        own.page_type = PageType.PAGE_TYPE_UNSPECIFIED  # the placement says the page, the event the rest
    customer_id = "" if "customer" in unknown else event.customer_id
    return recommendation_pb.RecommendRequest(
        customer_id=customer_id,
        visitor_id="" if customer_id else event.visitor_id or event.customer_id,
        context=options.context if options.HasField("context") else own,
        limit=options.limit,
        filter=options.filter,
        placement_id=options.placement_id,
        consent=event.consent,
    )


def to_performance(stored: StoredSample) -> operations_pb.AgentPerformance:
    """Return how a process performed as a message."""
    return operations_pb.AgentPerformance(
        agent=stored.agent,
        instance=stored.instance,
        end_time=to_timestamp(stored.sampled_at),
        **asdict(stored.sample),
    )


def to_status(state: SystemState) -> pb.GetStatusResponse:
    """Return the state of the system as a message."""
    return pb.GetStatusResponse(
        agents=[
            pb.AgentStatus(
                agent=each.agent,
                serving=each.serving,
                applied_sequence=each.applied,
                behind=each.behind,
                failed_events=each.failed,
            )
            for each in state.agents
        ],
        last_sequence=state.last_sequence,
        unjoined_events=state.unjoined,
        model_version=state.model_version,
        tables=[TableRows(table=name, rows=rows) for name, rows in state.rows.items()],
        performance=map(to_performance, state.samples),
    )
