"""The recommendation agent: decides what to show a shopper and why, and keeps the models that it decides with."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from services.recommendation import convert
from services.recommendation.models.forgetting import versions_waiting
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.request import Answer, Choice, Pick, Query, ReadyPage
from services.recommendation.serving.choice import choose
from services.recommendation.serving.known_shopper import read_known_shopper
from services.recommendation.serving.model_manager import ModelManager, ServingState
from services.recommendation.serving.recent_pages import RecentPages
from services.recommendation.serving.request_context import request_context
from services.recommendation.serving.user_history import UserHistories
from services.recommendation.serving.warm_up import warm_up
from services.recommendation.tuning.request import TuningRequest
from shared.config import Settings
from shared.db import forgotten, models
from shared.db.engine import Database
from shared.db.models import ModelVersion
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList
from shared.db.token_keys import load_token_keys
from shared.errors import QuintetError
from shared.jobs import QUICK, Progress, SingleJob
from shared.recommendation_log import LOG_DROPPED, RecommendationLog
from shared.recommendation_tokens import UNCOUNTED
from shared.telemetry import FALLBACKS

TRAINING = "services.recommendation.training.train"
FORGETTING = "services.recommendation.models.forgetting"
TUNING = "services.recommendation.tuning.job"


class RecommendationAgent:
    """Answers from models in memory and the history in the database. `start` before use, `stop` after."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        store = ModelStore(database, settings.model_cache_dir)
        self._histories = UserHistories(database, default=settings.permissions)
        self._model_manager = ModelManager(database, store, warm_up, settings.permissions, self._histories.forget)
        self._recent_pages = RecentPages(settings.keep_pages_seconds)
        self.tokens = load_token_keys(settings, database)
        self._recommendation_log = RecommendationLog(database, "recommendation")
        self._training = SingleJob(TRAINING, settings)
        self._tuning = SingleJob(TUNING, settings)
        self._forgetting = SingleJob(FORGETTING, settings)

    def start(self) -> None:
        """Load the active model and begin to follow changes."""
        self._model_manager.start()
        self._recommendation_log.start()

    def stop(self) -> None:
        """Write what still waits and end what `start` began. Safe to repeat."""
        self._recommendation_log.stop()
        self._model_manager.stop()

    def recommend(self, query: Query) -> Answer:
        """Return recommendations; they are logged behind the answer.

        Raises
        ------
        NotFound
            If the customer, or a product that the context names, is not known.
        Unavailable
            If the database is out of reach.
        """
        return self._answer(query)

    def model_problem(self) -> str:
        """Return why there is no model to answer with although one was trained; empty otherwise."""
        broken = self._model_manager.broken
        return f"model {broken} cannot be loaded" if broken and self._model_manager.serving.bundle is None else ""

    def versions(self) -> list[ModelVersion]:
        """Return the model versions, newest first."""
        with self._database.read() as connection:
            return models.list_versions(connection, KIND)

    def activate(self, version: str) -> ModelVersion:
        """Put a model version in force, here at once and in other replicas within a second.

        The version before stays in force when the new one cannot be loaded. Raises NotFound for an unknown version,
        DataLoss for a damaged one.
        """
        before = self._active()
        activated = models.activate(self._database, KIND, version)
        self._take_over(before)
        return activated

    async def train(self, *, quick: bool = False) -> AsyncGenerator[Progress, None]:
        """Train in a child process, use the new model at once, and yield the progress.

        A `quick` training learns the rerankers from few questions: for a shop's first.
        Raises Conflict while another training runs, FailedPrecondition when there is nothing to learn from.
        """
        before = await asyncio.to_thread(self._active)
        async with aclosing(self._training.run(*([QUICK] if quick else []))) as steps:
            async for progress in steps:
                if progress.result is not None:
                    await asyncio.to_thread(self._take_over, before)
                yield progress

    async def forget(self) -> AsyncGenerator[Progress, None]:
        """Remove histories that must be forgotten from stored models in a child process, and yield the progress.

        Without such models no process is started. Raises Conflict while another removal runs.
        """
        waiting, number = await asyncio.to_thread(versions_waiting, self._database)
        if not waiting:
            await asyncio.to_thread(self._mark_removed, number)
            yield Progress("done", 1.0, {"checked": 0, "rewritten": 0})
            return
        async with aclosing(self._forgetting.run()) as steps:
            async for progress in steps:
                yield progress

    async def tune(self, request: TuningRequest) -> AsyncGenerator[Progress, None]:
        """Try parameters of algorithms in a child process, for the next training, and yield the progress.

        Raises InvalidArgument for a bad request, Conflict while another tuning runs, FailedPrecondition when there are
        no interactions.
        """
        request.chosen()  # refuse before a process is started
        async with aclosing(self._tuning.run(request.as_json())) as steps:
            async for progress in steps:
                yield progress

    def _mark_removed(self, number: int) -> None:
        with self._database.write() as connection:
            forgotten.mark_removed(connection, number)

    def _active(self) -> str | None:
        with self._database.read() as connection:
            return models.active_version(connection, KIND)

    def _take_over(self, before: str | None) -> None:
        """Load the active version; when that fails, make the one before active again and raise."""
        try:
            self._model_manager.reload()
        except QuintetError:
            if before is not None:
                models.activate(self._database, KIND, before)
            raise

    def _answer(self, query: Query) -> Answer:
        serving = self._model_manager.serving
        shopper = read_known_shopper(self._histories, query, serving)
        page = self._recent_pages.get(
            serving, shopper, query, lambda: _ready(choose(serving, request_context(shopper, query, serving), query))
        )
        now = datetime.now(UTC)
        if not shopper.person.permissions.measure:
            return Answer(page, UNCOUNTED, serving.version, self._fallbacks(serving, page), now)
        number = self._recommendation_log.take_number()
        logged = self._recommendation_log.append(
            NewList(
                number,
                request_id=uuid.uuid4().hex,
                customer_key=shopper.person.key,
                page_type=query.context.page.value,
                generated_at=now,
                items=page.items,
                strategy=page.strategy,
                model_version=serving.version,
            )
        )
        return Answer(page, number, serving.version, self._fallbacks(serving, page, logged=logged), now)

    def _fallbacks(self, serving: ServingState, page: ReadyPage, *, logged: bool = True) -> tuple[str, ...]:
        taken = [] if serving.bundle else ["no_model"]
        if self._model_manager.broken not in ("", serving.version):
            taken.append("model_load_failed")
        taken += [f"algorithm_failed:{name}" for name in page.failed]
        if page.exhausted:
            taken.append("all_algorithms_failed")
        if not logged:
            taken.append(LOG_DROPPED)
        for reason in taken:
            FALLBACKS.labels("recommendation", reason).inc()
        return tuple(taken)


def _ready(choice: Choice) -> ReadyPage:
    items = [
        ListItem(position, pick.product_key, pick.score, pick.algorithm, pick.contributions, _reason(pick))
        for position, pick in enumerate(choice.picks, start=1)
    ]
    message = convert.to_message(choice)
    return ReadyPage(message, PackedItems.of(items), choice.strategy, choice.failed, choice.exhausted)


def _reason(pick: Pick) -> dict[str, Any]:
    why = pick.explanation
    return {"kind": why.kind, "product_ids": list(why.product_ids), "group": why.group}
