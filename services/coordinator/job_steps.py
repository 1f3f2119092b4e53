"""What the coordinator's long jobs do: they drive the agents and relay their progress."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import structlog
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.product.v1 import product_service_pb2 as product_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb

from services.coordinator.agent_clients import AgentClients
from services.coordinator.experiment_decisions import decide_experiments
from services.coordinator.improvement.weights import WeightRuns
from shared.config import Settings
from shared.db import maintenance, recommendation_retention, request_ids, retention
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.errors import InvalidArgument, QuintetError
from shared.job_messages import to_progress
from shared.jobs import Progress
from shared.telemetry import BACKGROUND_ERRORS
from shared.training_steps import training_steps

LEARN_BANDITS_TIMEOUT_SECONDS = 600.0
BANDITS = 0.97
"""Share of tuning and weights in the progress of an optimisation."""
TUNED = 0.95
"""Share of tuning in the progress of an optimisation."""
log = structlog.get_logger()


async def refresh_catalog(agents: AgentClients) -> AsyncGenerator[Progress, None]:
    """Have the product agent embed the catalogue and find relations."""
    async for progress in _relay(agents, agents.product.RefreshCatalog, product_pb.RefreshCatalogRequest()):
        yield progress


async def forget_histories(agents: AgentClients) -> AsyncGenerator[Progress, None]:
    """Have the recommendation agent remove histories of the erased, and of who withdrew their consent, from models."""
    request = recommendation_pb.ForgetHistoriesRequest()
    async for progress in _relay(agents, agents.recommendation.ForgetHistories, request):
        yield progress


def train_models(
    agents: AgentClients, training: recommendation_pb.TrainModelsRequest, *, together: bool = True
) -> AsyncGenerator[Progress, None]:
    """Refresh the catalogue, then train on it and recompute the customers, `together` or one after the other."""
    requests: dict[str, tuple[Any, Any]] = {
        "catalogue": (agents.product.RefreshCatalog, product_pb.RefreshCatalogRequest()),
        "models": (agents.training.TrainModels, training),
        "customers": (agents.customer.RefreshCustomers, customer_pb.RefreshCustomersRequest()),
    }
    return training_steps(lambda name: _relay(agents, *requests[name]), together=together)


async def optimize_algorithms(
    agents: AgentClients, tuning: recommendation_pb.TuneAlgorithmsRequest, weight_runs: WeightRuns
) -> AsyncGenerator[Progress, None]:
    """Tune the algorithms if there are minutes for it, then set the hybrid's weights from measured performance.

    Bandits learn, and experiments that are to conclude by themselves are looked at.
    """
    tuned: dict[str, Any] = {}
    async for progress in _tune(agents, tuning):
        tuned = progress.result or tuned
        yield Progress(f"tuning: {progress.stage}", TUNED * progress.fraction)
    yield Progress("weights", TUNED)
    weights, rationale = await weight_runs.learn()
    yield Progress("bandits", BANDITS)
    learned = await agents.call(
        agents.feedback.LearnBandits, feedback_pb.LearnBanditsRequest(), LEARN_BANDITS_TIMEOUT_SECONDS
    )
    learning = {
        "bandit_placements": learned.placements,
        "bandit_decisions": learned.decisions,
        "decided_experiments": await decide_experiments(agents),
    }
    yield Progress("done", 1.0, {"tuning": tuned, "weights": weights, "rationale": rationale, **learning})


async def _tune(
    agents: AgentClients, request: recommendation_pb.TuneAlgorithmsRequest
) -> AsyncGenerator[Progress, None]:
    """Have the recommendation agent tune. When it fails the result says so: the weights do not depend on it."""
    if not request.max_minutes:
        yield Progress("off", 1.0, {"skipped": "there are no minutes for it"})
        return
    try:
        async for progress in _relay(agents, agents.training.TuneAlgorithms, request):
            yield progress
    except InvalidArgument:
        raise
    except QuintetError as error:
        log.warning("tuning failed, the weights are set all the same", error=error.message, code=error.code.name)
        BACKGROUND_ERRORS.labels("coordinator", "tuning").inc()
        yield Progress("failed", 1.0, {"failed": error.message})


async def maintain(settings: Settings) -> AsyncGenerator[Progress, None]:
    """Drop what is older than its policy says, renew the statistics, give free space back."""
    database = await asyncio.to_thread(job_database, settings)
    try:
        async for progress in _maintain(database, settings):
            yield progress
    finally:
        await asyncio.to_thread(database.close)


async def _maintain(database: Database, settings: Settings) -> AsyncGenerator[Progress, None]:
    dropped: dict[str, int] = {}
    for place, (name, drop, days) in enumerate(_policies(settings)):
        yield Progress(f"dropping old {name.replace('_', ' ')}", 0.02 * place)
        dropped[f"{name}_dropped"] = await asyncio.to_thread(drop, database, days)
    await asyncio.to_thread(retention.expire_unjoined_events, database, settings.unjoined_days)
    yield Progress("dropping old recommendations", 0.3)
    lists = await asyncio.to_thread(
        recommendation_retention.drop_old_recommendations,
        database,
        settings.recommendation_retention_days,
        settings.response_retention_days,
    )
    yield Progress("dropping old request ids", 0.35)
    await asyncio.to_thread(request_ids.drop_old, database)
    yield Progress("renewing statistics", 0.4)
    await asyncio.to_thread(maintenance.analyze, database)
    yield Progress("giving free space back", 0.6)
    vacuumed = await asyncio.to_thread(maintenance.vacuum, database)
    yield Progress("done", 1.0, {**dropped, "recommendation_lists_dropped": lists, "vacuumed": vacuumed})


def _policies(settings: Settings) -> Sequence[tuple[str, Callable[[Database, int], int], int]]:
    """Return what goes with age: its name, how, and after how many days. Sessions and visitors go last."""
    return (
        ("views", retention.drop_views, settings.browsing_retention_days),
        ("page_events", retention.drop_page_events, settings.page_event_retention_days),
        ("failed_events", retention.drop_failed_events, settings.failed_event_retention_days),
        ("unjoined_events", retention.drop_unjoined_events, settings.event_log_retention_days),
        ("events", retention.drop_events, settings.event_log_retention_days),
        ("event_faults", retention.drop_event_faults, settings.event_quality_days),
        ("jobs", retention.drop_job_runs, settings.job_retention_days),
        ("session_facts", retention.drop_session_facts, settings.metric_retention_days),
        ("metric_cells", retention.drop_metric_cells, settings.metric_retention_days),
        ("input_counts", retention.drop_input_counts, settings.metric_retention_days),
        ("drift_checks", retention.drop_drift_checks, settings.metric_retention_days),
        ("improvement_runs", retention.drop_improvement_runs, settings.metric_retention_days),
        ("sessions", retention.drop_sessions, settings.browsing_retention_days),
        ("visitors", retention.drop_visitors, settings.browsing_retention_days),
    )


async def _relay(agents: AgentClients, method: Any, request: Any) -> AsyncGenerator[Progress, None]:
    async for answer in agents.stream(method, request):
        yield to_progress(answer.progress)
