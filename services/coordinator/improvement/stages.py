"""The stages of an open improvement run: each look moves it on, or leaves it until the next.

Every step sets what is wanted and may be repeated; the run is stored last. So a coordinator that dies in between leaves
what the next look takes up.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from google.protobuf.json_format import MessageToDict
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.experiment_pb2 import ExperimentResults

from services.coordinator.agent_clients import AgentClients
from services.coordinator.improvement import experiments
from services.coordinator.improvement.decisions import Decision, Outcome, canary_decision, holdback_decision
from services.coordinator.improvement.fallen import fallen_after
from shared import job_kinds
from shared.config import Settings
from shared.db import improvement_runs, job_runs, models
from shared.db.drift_checks import DriftCheck
from shared.db.engine import Database
from shared.db.improvement_runs import CANARY, HOLDBACK, LIVE, OFFLINE_TEST, REJECTED, ROLLED_BACK, ImprovementRun

ACTIVATE_TIMEOUT_SECONDS = 120.0
KIND = "recommender"
log = structlog.get_logger()


class Stages:
    """Moves runs on. `now` is the clock."""

    def __init__(
        self, settings: Settings, database: Database, agents: AgentClients, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._database = database
        self._agents = agents
        self._now = now

    async def advance(self, run: ImprovementRun, *, paused: bool) -> ImprovementRun:
        """Look at an open run and return it as it is then. While `paused` it may only end for a broken guardrail.

        Raises what the agents answer with; the run then stays as it is.
        """
        if run.state == OFFLINE_TEST:
            return run if paused else await self._test(run)
        active = await asyncio.to_thread(self._active)
        if models.family(active) not in map(models.family, (run.former, run.candidate)):
            ended = REJECTED if run.state == CANARY else ROLLED_BACK
            return await self._end(run, ended, f"Another model, {active}, was put in use by hand.")
        if run.state == CANARY:
            return await self._canary(run, active, paused=paused)
        return await self._holdback(run, active)

    async def judge(self, check: DriftCheck) -> ImprovementRun | None:
        """Go back to the model before the live one if that went live lately and clicks fell, and return the run.

        None where no model went live lately, another was put in use by hand since, or nothing fell.
        """
        run, active = await asyncio.to_thread(self._latest), await asyncio.to_thread(self._active)
        reason = fallen_after(check, run, self._now())
        if run is None or not reason or not run.former or models.family(active) != models.family(run.candidate):
            return None
        return await self._roll_back(run, reason)

    async def _test(self, run: ImprovementRun) -> ImprovementRun:
        """Have the test made that the training did not come to, because its process died."""
        if await asyncio.to_thread(self._training):
            return run
        agents = self._agents
        async for _ in agents.stream(agents.training.TestCandidate, recommendation_pb.TestCandidateRequest()):
            pass
        return await asyncio.to_thread(self._stored, run)

    async def _canary(self, run: ImprovementRun, active: str, *, paused: bool) -> ImprovementRun:
        if models.family(active) == models.family(run.candidate):  # put in use, by an earlier look or by hand
            return run if paused else await self._put_in_use(run, run.reason)
        if run.experiment_id is None:
            return run if paused else await self._begin(run)
        found = await experiments.results(self._agents, run.experiment_id)
        if found is None:
            return await self._end(run, REJECTED, "Its canary was ended by hand.")
        over = self._now() - run.state_since >= timedelta(days=self._settings.gate_canary_days)
        by_estimate = self._settings.gate_undecided == "estimate"
        decision = canary_decision(found, self._settings.gate_tolerance, over=over, by_estimate=by_estimate)
        run = _with(run, "canary", found)
        if decision.outcome is Outcome.BREAK:
            return await self._end(run, REJECTED, decision.reason)
        if decision.outcome is Outcome.PASS and not paused:
            return await self._put_in_use(run, decision.reason)
        return await asyncio.to_thread(self._save, run, run)

    async def _begin(self, run: ImprovementRun) -> ImprovementRun:
        experiment = experiments.canary(run, self._settings.gate_canary_share, self._settings.gate_tolerance)
        await experiments.begin(self._agents, experiment)
        begun = _named(run.moved(CANARY, run.reason, self._now()), experiment.experiment_id)
        return await asyncio.to_thread(self._save, run, begun)

    async def _put_in_use(self, run: ImprovementRun, reason: str) -> ImprovementRun:
        """Put the candidate in use, and keep a share of the shoppers on the former model for a while."""
        await self._activate(run.candidate)
        if not self._settings.gate_holdback_days:
            return await self._end(run, LIVE, reason)
        experiment = experiments.holdback(run, self._settings.gate_canary_share, self._settings.gate_tolerance)
        await experiments.begin(self._agents, experiment)
        await experiments.end(self._agents, run.experiment_id, reason)
        held = _named(run.moved(HOLDBACK, reason, self._now()), experiment.experiment_id)
        return await asyncio.to_thread(self._save, run, held)

    async def _holdback(self, run: ImprovementRun, active: str) -> ImprovementRun:
        if models.family(active) == models.family(run.former):
            return await self._end(run, ROLLED_BACK, "The former model was put in use by hand.")
        found = await experiments.results(self._agents, run.experiment_id or "")
        if found is None:
            return await self._end(run, LIVE, "Its holdback was ended by hand.")
        over = self._now() - run.state_since >= timedelta(days=self._settings.gate_holdback_days)
        decision: Decision = holdback_decision(found, over=over)
        run = _with(run, "holdback", found)
        if decision.outcome is Outcome.BREAK:
            return await self._roll_back(run, decision.reason)
        if decision.outcome is Outcome.PASS:
            return await self._end(run, LIVE, decision.reason)
        return await asyncio.to_thread(self._save, run, run)

    async def _roll_back(self, run: ImprovementRun, reason: str) -> ImprovementRun:
        await self._activate(run.former)
        log.warning("a model was rolled back", run=run.run_id, model=run.candidate, former=run.former, reason=reason)
        return await self._end(run, ROLLED_BACK, reason)

    async def _end(self, run: ImprovementRun, state: str, reason: str) -> ImprovementRun:
        await experiments.end(self._agents, run.experiment_id, reason)
        return await asyncio.to_thread(self._save, run, run.moved(state, reason, self._now()))

    async def _activate(self, version: str) -> None:
        wanted = await asyncio.to_thread(self._stored_version, version)
        request = recommendation_pb.ActivateModelVersionRequest(version=wanted)
        await self._agents.call(self._agents.recommendation.ActivateModelVersion, request, ACTIVATE_TIMEOUT_SECONDS)

    def _training(self) -> bool:
        """Return whether a training is at work, which makes the test itself."""
        with self._database.write() as connection:
            job_runs.fail_lost(connection)
            latest = job_runs.latest(connection, job_kinds.TRAIN)
        return latest is not None and latest.state == job_runs.RUNNING

    def _latest(self) -> ImprovementRun | None:
        """Return the latest run of a model."""
        with self._database.read() as connection:
            found = improvement_runs.page(connection, [improvement_runs.MODEL], (), None, 1)
        return found[0] if found else None

    def _active(self) -> str:
        with self._database.read() as connection:
            return models.active_version(connection, KIND) or ""

    def _stored_version(self, version: str) -> str:
        with self._database.read() as connection:
            found = models.same_model(connection, KIND, version)
        return version if found is None else found.version

    def _stored(self, run: ImprovementRun) -> ImprovementRun:
        with self._database.read() as connection:
            return improvement_runs.get(connection, run.run_id) or run

    def _save(self, before: ImprovementRun, after: ImprovementRun) -> ImprovementRun:
        with self._database.write() as connection:
            saved = improvement_runs.save(connection, after, before.state)
        return after if saved else self._stored(before)


def _with(run: ImprovementRun, stage: str, found: ExperimentResults) -> ImprovementRun:
    """Return a run with the comparisons of its stage's latest look."""
    compared: list[Any] = [MessageToDict(each, preserving_proto_field_name=True) for each in found.comparisons]
    return run.moved(run.state, run.reason, run.state_since, **{stage: compared})


def _named(run: ImprovementRun, experiment_id: str) -> ImprovementRun:
    return replace(run, experiment_id=experiment_id)
