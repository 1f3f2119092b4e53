"""Runs that change the weights of the hybrid: recorded with their evidence, and set back when the response falls.

They do not go through a canary: the weights of a variant order a list by themselves, so that no arm of an experiment
can stand for those of the hybrid.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from services.coordinator.agent_clients import AgentClients
from services.coordinator.improvement.fallen import WATCHED, fallen_after
from shared.db import improvement_runs
from shared.db.drift_checks import DriftCheck
from shared.db.engine import Database
from shared.db.improvement_runs import LIVE, ROLLED_BACK, SCHEDULE, WEIGHTS, ImprovementRun
from shared.db.weights import Weights, current_weights
from shared.limits import MAX_REASON

UPDATE_TIMEOUT_SECONDS = 60.0
LEAST_CHANGE = 0.005
"""Of a weight, below which a change is none that is recorded."""
log = structlog.get_logger()


class WeightRuns:
    """Changes weights by what was learned, and sets them back. `now` is the clock."""

    def __init__(
        self,
        database: Database,
        agents: AgentClients,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._agents = agents
        self._now = now

    async def learn(self) -> tuple[dict[str, float], str]:
        """Have the weights set from measured performance, record the change, and return weights and rationale.

        They stay as they are while improvement is paused, and for a week after they were set back.
        """
        held = await asyncio.to_thread(self._held)
        before = await asyncio.to_thread(self._current)
        if held:
            return before.weights, held
        answer = await self._update(feedback_pb.UpdateWeightsRequest())
        after = await asyncio.to_thread(self._current)
        if _differ(before.weights, after.weights):
            await asyncio.to_thread(self._record, before, after, answer.rationale)
        return {each.algorithm: each.weight for each in answer.weights}, str(answer.rationale)

    async def judge(self, check: DriftCheck) -> ImprovementRun | None:
        """Set weights back that were changed lately, if the clicks of a placement or page fell, and return the run.

        None where nothing was changed lately, or was changed by hand since, or nothing fell.
        """
        run = await asyncio.to_thread(self._latest)
        current = await asyncio.to_thread(self._current)
        reason = fallen_after(check, run, self._now())
        if run is None or not reason or run.candidate != str(current.version):
            return None
        former = [AlgorithmWeight(algorithm=name, weight=weight) for name, weight in run.evidence["former"].items()]
        await self._update(feedback_pb.UpdateWeightsRequest(weights=former, reason=f"Set back. {reason}"[:MAX_REASON]))
        log.warning("weights were set back", run=run.run_id, reason=reason)
        back = run.moved(ROLLED_BACK, reason, self._now())
        await asyncio.to_thread(self._save, run, back)
        return back

    async def _update(self, request: feedback_pb.UpdateWeightsRequest) -> Any:
        return await self._agents.call(self._agents.feedback.UpdateWeights, request, UPDATE_TIMEOUT_SECONDS)

    def _held(self) -> str:
        """Return why weights are not to change now; empty where they may."""
        with self._database.read() as connection:
            if improvement_runs.control(connection).paused:
                return "Unchanged: improvement is paused."
        latest = self._latest()
        if latest is not None and latest.state == ROLLED_BACK:
            return f"Unchanged: they were set back on {latest.state_since:%Y-%m-%d}. {latest.reason}"
        return ""

    def _current(self) -> Weights:
        with self._database.read() as connection:
            return current_weights(connection)

    def _latest(self) -> ImprovementRun | None:
        """Return the latest run that changed weights, if it did so or was set back lately."""
        with self._database.read() as connection:
            found = improvement_runs.page(connection, [WEIGHTS], (), None, 1)
        return found[0] if found and self._now() - found[0].state_since < WATCHED else None

    def _record(self, before: Weights, after: Weights, rationale: str) -> None:
        run = ImprovementRun.of(
            WEIGHTS,
            LIVE,
            SCHEDULE,
            str(before.version),
            str(after.version),
            rationale,
            self._now(),
            evidence={"former": before.weights, "candidate": after.weights},
        )
        with self._database.write() as connection:
            improvement_runs.add(connection, run)

    def _save(self, before: ImprovementRun, after: ImprovementRun) -> None:
        with self._database.write() as connection:
            improvement_runs.save(connection, after, before.state)


def _differ(before: dict[str, float], after: dict[str, float]) -> bool:
    names = before.keys() | after.keys()
    return any(abs(before.get(name, 0.0) - after.get(name, 0.0)) >= LEAST_CHANGE for name in names)
