"""A look at improvement: moves the open run on, looks for drift once a day, and trains where drift was found."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.improvement_pb2 import ImprovementTrigger, QualityLook

from services.coordinator.agent_clients import AgentClients
from services.coordinator.improvement.stages import KIND, Stages
from services.coordinator.improvement.weights import WeightRuns
from shared.config import Settings
from shared.db import drift_checks, improvement_runs, job_runs, models
from shared.db.drift_checks import DriftCheck
from shared.db.engine import Connection, Database
from shared.db.improvement_runs import ImprovementRun
from shared.db.job_runs import JobRun
from shared.db.metric_cells import day_of, start_of
from shared.errors import Conflict, QuintetError
from shared.jobs import Progress
from shared.telemetry import BACKGROUND_ERRORS
from shared.timestamps import to_timestamp

CHECK_TIMEOUT_SECONDS = 600.0
AFTER_MIDNIGHT = timedelta(hours=1)
"""A day is looked at so long after its end: late events of it count then."""
REST_DAYS = 3
"""Days after one whose drift led to a training that start none."""
log = structlog.get_logger()
StartTraining = Callable[[recommendation_pb.TrainModelsRequest], Awaitable[JobRun]]


class Improvement:
    """Looks at improvement. `start_training` starts a job; `now` is the clock."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        agents: AgentClients,
        start_training: StartTraining,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._agents = agents
        self._start_training = start_training
        self._now = now
        self._stages = Stages(settings, database, agents, now)
        self._weights = WeightRuns(database, agents, now)

    async def look(self) -> AsyncGenerator[Progress, None]:
        """Look once, as a job; the result has the fields of `ImproveModelsResult`. Safe to repeat."""
        paused, run = await asyncio.to_thread(self._read)
        result: dict[str, Any] = {"paused": paused}
        if run is not None:
            yield Progress(f"run {run.run_id}: {run.state.lower()}", 0.1)
            run = await self._stages.advance(run, paused=paused)
            result |= {"run_id": run.run_id, "state": f"IMPROVEMENT_STATE_{run.state}"}
        day = day_of(self._now() - AFTER_MIDNIGHT) - 1
        check = await asyncio.to_thread(self._check_of, day)
        if check is None:
            yield Progress("looking for drift", 0.4)
            check = await self._check(day)
            result |= {"checked_date": f"{start_of(day):%Y-%m-%d}"}
            if await self._weights.judge(check) is None:
                await self._stages.judge(check)
        result["drift_found"] = check.found
        if check.found and not paused and await asyncio.to_thread(self._wants_training, check):
            yield Progress("starting a training", 0.9)
            result |= await self._train(day)
        yield Progress("done", 1.0, result)

    async def require_free(self) -> None:
        """Raise Conflict while improvement is paused or a run is open."""
        await asyncio.to_thread(self._require_free)

    async def _check(self, day: int) -> DriftCheck:
        """Have the agents look for drift on a day, and return what they found and recorded."""
        version, quality = await self._replay(day)
        request = feedback_pb.CheckDriftRequest(day=day, model_version=version, quality=quality)
        at_training = await asyncio.to_thread(self._look_at_training, version)
        if at_training is not None:
            request.at_training.CopyFrom(QualityLook(**at_training))
        await self._agents.call(self._agents.feedback.CheckDrift, request, CHECK_TIMEOUT_SECONDS)
        check = await asyncio.to_thread(self._check_of, day)
        if check is None:
            raise QuintetError(f"the look for drift on day {day} was not recorded")
        return check

    async def _replay(self, day: int) -> tuple[str, QualityLook | None]:
        """Have the live model answer the questions of a day; None of a model without questions, or where that fails."""
        version = await asyncio.to_thread(self._active)
        start, end = (to_timestamp(start_of(each)) for each in (day, day + 1))
        request = recommendation_pb.ReplayQuestionsRequest(start_time=start, end_time=end)
        found = None
        try:
            if version:
                async for answer in self._agents.stream(self._agents.training.ReplayQuestions, request):
                    found = answer.progress.replay if answer.progress.HasField("replay") else found
        except QuintetError as error:
            log.warning("the questions of the day were not replayed", error=error.message, code=error.code.name)
            BACKGROUND_ERRORS.labels("coordinator", "replay").inc()
        return version, found if found is not None and found.questions else None

    async def _train(self, day: int) -> dict[str, Any]:
        """Start a training because of drift; while the same work is under way the next look does it."""
        training = recommendation_pb.TrainModelsRequest(
            trigger=ImprovementTrigger.IMPROVEMENT_TRIGGER_DRIFT, drift_day=day
        )
        try:
            job = await self._start_training(training)
        except Conflict as error:
            log.info("a training because of drift waits", why=error.message)
            return {}
        await asyncio.to_thread(self._note_training, day, job.job_id)
        return {"training_job_id": job.job_id}

    def _read(self) -> tuple[bool, ImprovementRun | None]:
        with self._database.read() as connection:
            return improvement_runs.control(connection).paused, improvement_runs.open_run(connection)

    def _require_free(self) -> None:
        with self._database.read() as connection:
            if improvement_runs.control(connection).paused:
                raise Conflict("improvement is paused: `quintet improvement resume` lets trainings begin again")
            improvement_runs.require_none_open(connection)

    def _check_of(self, day: int) -> DriftCheck | None:
        with self._database.read() as connection:
            return drift_checks.of_day(connection, day)

    def _wants_training(self, check: DriftCheck) -> bool:
        """Return whether a look's drift still asks for a training: none was started for it, or it failed.

        A shift that lasts is found every day until the reference has moved. What was trained lately knows it as well as
        the next model would, so the days after a training because of drift ask for none.
        """
        with self._database.read() as connection:
            if improvement_runs.open_run(connection) is not None:
                return False
            return not any(_trained(connection, check.day - back) for back in range(REST_DAYS + 1))

    def _note_training(self, day: int, job_id: str) -> None:
        with self._database.write() as connection:
            drift_checks.set_job(connection, day, job_id)

    def _active(self) -> str:
        with self._database.read() as connection:
            return models.active_version(connection, KIND) or ""

    def _look_at_training(self, version: str) -> dict[str, Any] | None:
        """Return how well a model answered the questions of its own paired test; None where it had none."""
        with self._database.read() as connection:
            run = improvement_runs.of_candidate(connection, models.family(version))
        look = run.evidence.get("offline", {}).get("look") if run else None
        return look or None


def _trained(connection: Connection, day: int) -> bool:
    """Return whether the drift of a day led to a training that did not fail."""
    check = drift_checks.of_day(connection, day)
    if check is None or not check.job_id:
        return False
    job = job_runs.get(connection, check.job_id)
    return job is None or job.state != job_runs.FAILED
