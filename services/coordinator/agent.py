"""The coordinator: records what happens, drives the other agents, answers with what they know."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.customer_pb2 import ErasureReceipt
from quintet.type.v1.improvement_pb2 import ImprovementTrigger

from services.coordinator import job_steps
from services.coordinator.agent_clients import FOLLOWED, AgentClients
from services.coordinator.best_sellers import BestSellerCache
from services.coordinator.byte_budget import ByteBudget
from services.coordinator.diagnosis.diagnosis import Diagnosis
from services.coordinator.diagnosis.observer import Observer, recent_since
from services.coordinator.event_joiner import EventJoiner
from services.coordinator.event_monitor import EventMonitor
from services.coordinator.event_operations import EventOperations
from services.coordinator.event_validation import Submission
from services.coordinator.event_writer import EventWriter
from services.coordinator.fallback import OVERLOADED, UNAVAILABLE, Fallback, given_order
from services.coordinator.group_commit import CommitResult, GroupCommit
from services.coordinator.improvement.look import Improvement
from services.coordinator.improvement.runs import ImprovementRuns
from services.coordinator.improvement.shadows import ShadowModels
from services.coordinator.improvement.weights import WeightRuns
from services.coordinator.jobs import Jobs
from services.coordinator.log_followers import LogFollower
from services.coordinator.schedule import Schedule, ScheduledJob
from services.coordinator.shopper_reader import ShopperReader
from shared import job_kinds
from shared.config import Agent, Settings
from shared.db import agent_samples, event_log, failed_events, models, unjoined_events
from shared.db.agent_samples import StoredSample
from shared.db.engine import Database
from shared.db.job_runs import JobRun
from shared.db.row_estimates import row_estimates
from shared.db.token_keys import load_token_keys
from shared.db.unjoined_events import Missing
from shared.errors import DataLoss, Overloaded, QuintetError, Unavailable
from shared.events.catch_up import CatchUp
from shared.limits import MAX_ON_THE_WAY_BYTES
from shared.merchandising.merchandising import Merchandising
from shared.recommendation_log import RecommendationLog
from shared.request_ids import RequestKey
from shared.telemetry import ANSWERS, BACKGROUND_ERRORS

log = structlog.get_logger()
CONSUMERS: dict[Agent, str] = {"customer": event_log.CUSTOMER_CONSUMER, "feedback": event_log.FEEDBACK_CONSUMER}
"""Agents that project the event log, and the names of their cursors."""

ERASE_TIMEOUT_SECONDS = 60.0
_PASSED_ON, _FALLBACK = (ANSWERS.labels("coordinator", how) for how in ("passed_on", "fallback"))


@dataclass(frozen=True)
class AgentState:
    """How one agent is: whether it serves, how far it has applied the event log, and what it could not apply."""

    agent: Agent
    serving: bool
    applied: int
    behind: int
    failed: int = 0


@dataclass(frozen=True)
class SystemState:
    """How the whole is: the agents, the last event's number, the model in use, rows of the main tables.

    `unjoined` events wait for a customer, product or order that they name; `samples` say how processes performed
    lately.
    """

    agents: list[AgentState]
    last_sequence: int
    model_version: str
    rows: dict[str, int]
    unjoined: int = 0
    samples: tuple[StoredSample, ...] = ()


class Coordinator:
    """Orchestrates the agents. `start` before use, `stop` after."""

    def __init__(self, settings: Settings, database: Database, agents: AgentClients) -> None:
        self.agents = agents
        self.stream_bytes = ByteBudget(MAX_ON_THE_WAY_BYTES)
        self._settings = settings
        self._database = database
        self.tokens = tokens = load_token_keys(settings, database)
        self._event_writer = EventWriter(
            database,
            tokens,
            settings.permissions,
            plainly=settings.plain_event_log,
            keep_unknown=settings.unknown_references == "keep",
        )
        self.event_monitor = EventMonitor(database)
        self._joiner = EventJoiner(database, settings.permissions, plainly=settings.plain_event_log)
        self._joining = CatchUp("coordinator", self._join)
        self._group_commit = GroupCommit(self._event_writer.commit)
        self._followers = [
            LogFollower("customer", agents.apply_customer, settings.apply_timeout_seconds),
            LogFollower("feedback", agents.apply_feedback, settings.apply_timeout_seconds),
        ]
        self._recommendation_log = RecommendationLog(database, "coordinator")
        self._best_sellers = BestSellerCache(database, settings.permissions)
        self._shoppers = ShopperReader(database, default=settings.permissions)
        self._fallback = Fallback(self._best_sellers, self._shoppers, self._recommendation_log, tokens)
        self.jobs = Jobs(database)
        self.event_operations = EventOperations(settings, database, agents, self._joiner, self.jobs)
        self._improvement = Improvement(settings, database, agents, self._start_training)
        self.improvement_runs = ImprovementRuns(database)
        self.shadow_models = ShadowModels(database)
        self.schedule = Schedule(database, self._plans(settings))
        self.diagnosis = Diagnosis(Observer(settings, database, agents, self.schedule, CONSUMERS).facts)

    async def start(self) -> None:
        """Begin to record, to keep the agents up with the log, and to look at the clock."""
        self._group_commit.start()
        await asyncio.to_thread(self._recommendation_log.start)
        last = await asyncio.to_thread(self._last_sequence)
        for follower in self._followers:
            follower.want(last)
            follower.start()
        self._joining.start()
        self.schedule.start()
        self.diagnosis.start()
        self._best_sellers.start()

    async def stop(self) -> None:
        """Stop all that `start` began; what is recorded stays recorded."""
        await self._joining.stop()
        await asyncio.to_thread(self._store_counts)
        await self.diagnosis.stop()
        await self.schedule.stop()
        await self.jobs.stop()
        await self._group_commit.stop()
        for follower in self._followers:
            await follower.stop()
        await asyncio.to_thread(self._shoppers.stop)
        await asyncio.to_thread(self._best_sellers.stop)
        await asyncio.to_thread(self._recommendation_log.stop)
        await self.agents.close()

    async def record(self, submissions: Sequence[Submission]) -> list[CommitResult]:
        """Make submissions durable and have the agents follow, without waiting for them."""
        outcomes = await self._group_commit.record(submissions)
        self.event_monitor.recorded(submissions, outcomes)
        newest = max((outcome.sequence for outcome in outcomes), default=0)
        repeated = any(outcome.duplicate for outcome in outcomes)
        for follower in self._followers:
            follower.want(newest)
            if repeated:
                await follower.look()
        return outcomes

    async def check(self, submission: Submission) -> tuple[Missing, ...]:
        """Return what the submission would miss, or raise what it would be refused with; record nothing."""
        return await asyncio.to_thread(self._event_writer.check, submission)

    async def check_products(self, named: Sequence[tuple[str, str]]) -> None:
        """Raise NotFound naming the field for the first of (product id, field) that does not exist."""
        if named:
            await asyncio.to_thread(self._event_writer.check_products, named)

    def pending_agents(self) -> list[str]:
        """Return the agents that do not keep up with the log at present."""
        return [follower.agent for follower in self._followers if follower.behind]

    async def recommend(self, request: recommendation_pb.RecommendRequest) -> bytes:
        """Return recommendations; best-sellers, and a word of it, when the recommendation agent cannot answer.

        The answer is a serialised RecommendResponse. The one of the agent is passed on without decoding it.
        """
        try:
            answered = await self.agents.recommend(request)
            _PASSED_ON.inc()
            return answered
        except QuintetError as error:
            _require_own_fault(error)
            _FALLBACK.inc()
            answer = await self._fallback.answer(request, _reason(error))
            return recommendation_pb.RecommendResponse(list=answer).SerializeToString()

    async def recommend_all(self, request: recommendation_pb.BatchRecommendRequest) -> bytes:
        """Return the lists of one page, a serialised BatchRecommendResponse; best-sellers as `recommend` does."""
        shopper = request.customer_id or request.visitor_id
        try:
            answered = await self.agents.forward("BatchRecommend", request, shopper=shopper)
            _PASSED_ON.inc(len(request.requests))
            return answered
        except QuintetError as error:
            _require_own_fault(error)
            _FALLBACK.inc(len(request.requests))
            answers = await self._fallback.answer_all(request, _reason(error))
            return recommendation_pb.BatchRecommendResponse(lists=answers).SerializeToString()

    async def rank(self, request: recommendation_pb.RankProductsRequest) -> bytes:
        """Return a list in the order that suits a shopper, a serialised RankProductsResponse.

        It is the given order, and a word of it, when the recommendation agent does not answer.
        """
        shopper = request.customer_id or request.visitor_id
        try:
            answered = await self.agents.forward("RankProducts", request, shopper=shopper)
            _PASSED_ON.inc()
            return answered
        except QuintetError as error:
            _require_own_fault(error)
            _FALLBACK.inc()
            return given_order(request, _reason(error)).SerializeToString()

    async def erase(self, request: customer_pb.EraseCustomerRequest) -> ErasureReceipt:
        """Erase a customer or visitor and return the stored receipt.

        Raises NotFound, and FailedPrecondition for a visitor who is a customer.
        """
        method = self.agents.customer.EraseCustomer
        erased: customer_pb.EraseCustomerResponse = await self.agents.call(method, request, ERASE_TIMEOUT_SECONDS)
        self._event_writer.forget_customer(request.customer_id)
        await self._begin_to_forget()
        return erased.receipt

    async def _begin_to_forget(self) -> None:
        """Start to rewrite stored models without the erased; where that is impossible now, the schedule does it."""
        try:
            await self.start_job(job_kinds.FORGET)
        except QuintetError as error:
            log.info("histories are removed from models later", code=error.code.name)

    @property
    def merchandising(self) -> Merchandising | None:
        """The placements and rules as the coordinator knows them; None before they were first read."""
        return self._best_sellers.merchandising

    @property
    def tune_minutes(self) -> float:
        """Minutes that an optimisation may tune where nobody has said; 0 is not at all."""
        return self._settings.tune_minutes

    async def start_job(
        self,
        kind: str,
        tuning: recommendation_pb.TuneAlgorithmsRequest | None = None,
        *,
        training: recommendation_pb.TrainModelsRequest | None = None,
        request: RequestKey | None = None,
    ) -> JobRun:
        """Start a job of one of `job_kinds.SCHEDULED`.

        `tuning` is for an optimisation, default as the settings say; `training` is for a training. A `request`
        that is repeated is answered with the job that it started.

        Raises Conflict while the same work is under way.
        """
        bodies = {
            job_kinds.TRAIN: lambda: job_steps.train_models(
                self.agents,
                training or recommendation_pb.TrainModelsRequest(),
                together=self._settings.train_threads > 1,
            ),
            job_kinds.REFRESH: lambda: job_steps.refresh_catalog(self.agents),
            job_kinds.OPTIMIZE: lambda: job_steps.optimize_algorithms(
                self.agents, tuning or self._usual_tuning(), WeightRuns(self._database, self.agents)
            ),
            job_kinds.FORGET: lambda: job_steps.forget_histories(self.agents),
            job_kinds.IMPROVE: self._improvement.look,
            job_kinds.MAINTAIN: lambda: job_steps.maintain(self._settings),
        }
        return await self.jobs.start(kind, bodies[kind], request)

    async def state(self) -> SystemState:
        """Return how the system is."""
        serving = await asyncio.gather(*(self.agents.serving(name) for name in FOLLOWED))
        return await asyncio.to_thread(self._state, dict(zip(FOLLOWED, serving, strict=True)))

    def _usual_tuning(self) -> recommendation_pb.TuneAlgorithmsRequest:
        return recommendation_pb.TuneAlgorithmsRequest(max_minutes=self.tune_minutes, only_if_changed=True)

    def _state(self, serving: dict[Agent, bool]) -> SystemState:
        with self._database.read() as connection:
            last = event_log.last_sequence(connection)
            cursors = {agent: event_log.cursor(connection, consumer) for agent, consumer in CONSUMERS.items()}
            failed = failed_events.counts(connection)
            unjoined = unjoined_events.counts(connection).waiting
            version = models.active_version(connection, "recommender")
            samples = tuple(agent_samples.latest(connection, recent_since(self._settings)))
        states = [AgentState("coordinator", True, 0, 0)]
        for name in FOLLOWED:
            behind = max(0, last - cursors[name]) if name in cursors else 0
            states.append(AgentState(name, serving[name], cursors.get(name, 0), behind, failed.get(name, 0)))
        return SystemState(states, last, version or "", row_estimates(self._database), unjoined, samples)

    def _join(self) -> bool:
        """Join what waits and can be joined. The agents apply the log by themselves a moment later."""
        self.event_monitor.store_now_and_then()
        self._joiner.step()
        return False

    def _store_counts(self) -> None:
        try:
            self.event_monitor.store()
        except QuintetError as error:  # they are counts: the coordinator stops without them
            log.warning("faults of events were not stored", error=error.code.name)
            BACKGROUND_ERRORS.labels("coordinator", "event_monitor").inc()

    def _last_sequence(self) -> int:
        with self._database.read() as connection:
            return event_log.last_sequence(connection)

    def _plans(self, settings: Settings) -> list[ScheduledJob]:
        hours = {
            job_kinds.REFRESH: settings.refresh_catalog_hours,
            job_kinds.OPTIMIZE: settings.optimize_hours,
            job_kinds.TRAIN: settings.train_hours,
            job_kinds.FORGET: settings.forget_hours,
            job_kinds.IMPROVE: settings.improve_hours,
            job_kinds.MAINTAIN: settings.maintenance_hours,
        }
        return [
            ScheduledJob(
                kind,
                timedelta(hours=every),
                self._start_training_by_clock if kind == job_kinds.TRAIN else partial(self.start_job, kind),
            )
            for kind, every in hours.items()
        ]

    async def _start_training(self, training: recommendation_pb.TrainModelsRequest) -> JobRun:
        return await self.start_job(job_kinds.TRAIN, training=training)

    async def _start_training_by_clock(self, request: RequestKey | None = None) -> JobRun:
        """Start a training unless improvement is paused, or the model of the training before is under way."""
        await self._improvement.require_free()
        training = recommendation_pb.TrainModelsRequest(trigger=ImprovementTrigger.IMPROVEMENT_TRIGGER_SCHEDULE)
        return await self.start_job(job_kinds.TRAIN, training=training, request=request)


def _require_own_fault(error: QuintetError) -> None:
    """Raise the error again unless the recommendation agent could not answer: down, busy, its data damaged, a bug."""
    if not isinstance(error, Unavailable | DataLoss) and type(error) is not QuintetError:
        raise error


def _reason(error: QuintetError) -> str:
    """Return what `fallbacks` of an answer say when the recommendation agent did not answer."""
    return OVERLOADED if isinstance(error, Overloaded) else UNAVAILABLE
