"""The recommendation agent: decides what to show a shopper and why, and keeps the models that it decides with."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from services.recommendation import convert
from services.recommendation.experiments.store import ExperimentStore
from services.recommendation.merchandising.definitions import placements_in, rules_in
from services.recommendation.merchandising.preview import Preview, PreviewRequest, Previews
from services.recommendation.models.forgetting import versions_waiting
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.models.versions import Quality, one_before_active, quality_of
from services.recommendation.request import Answer, Choice, Explanation, Page, Query, RankQuery, ReadyPage
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.choice import choose
from services.recommendation.serving.decision import Decided, decide
from services.recommendation.serving.exploration import Draw
from services.recommendation.serving.given_list import MOST_EXPLAINED, PlacedProduct, RankAnswer, rank_given
from services.recommendation.serving.interleave import interleaved_choice
from services.recommendation.serving.known_shopper import KnownShopper, OneReading, ShopperHistories, read_known_shopper
from services.recommendation.serving.model_manager import ModelManager, ServingState
from services.recommendation.serving.recent_pages import RecentPages
from services.recommendation.serving.request_context import request_context
from services.recommendation.serving.shadow import Shadow
from services.recommendation.serving.user_history import Person, UserHistories
from services.recommendation.serving.warm_up import warm_up
from services.recommendation.tuning.request import TuningRequest
from services.recommendation.what_if.evaluation import ConfigurationEvaluations
from services.recommendation.what_if.request import Evaluation, EvaluationRequest
from shared.config import Settings
from shared.db import forgotten, improvement_runs, models
from shared.db.engine import Database
from shared.db.models import ModelVersion
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList
from shared.db.recommended_lists import RANKED
from shared.db.token_keys import load_token_keys
from shared.errors import QuintetError
from shared.experiments.decision import Exposure, ListDecision
from shared.gated_training import gated_training
from shared.jobs import DRIFT_DAY, QUICK, REPLAY, TEST, TRIGGER, Progress, SingleJob
from shared.list_tokens import next_token, shown_before
from shared.merchandising.merchandising import Merchandising
from shared.merchandising.request import in_list
from shared.merchandising.rule import Moment, Rule
from shared.recommendation_log import LOG_DROPPED, RecommendationLog
from shared.recommendation_tokens import UNCOUNTED
from shared.request_ids import RequestKey
from shared.telemetry import FALLBACKS

TRAINING = "services.recommendation.training.train"
GATE = "services.recommendation.gate.job"
FORGETTING = "services.recommendation.models.forgetting"
TUNING = "services.recommendation.tuning.job"
NO_MODEL_OF_VARIANT = "model_of_variant_unavailable"
"""What `fallbacks` says when the active model answers in the place of the one that a variant names."""


class RecommendationAgent:
    """Answers from models in memory and the history in the database. `start` before use, `stop` after."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        store = ModelStore(database, settings.model_cache_dir)
        self._histories = UserHistories(database, default=settings.permissions)
        self._shadow_histories = UserHistories(database, default=settings.permissions)
        self._shadow = Shadow(database, self._answer_again, settings.exploration_seed or None)
        self._model_manager = ModelManager(
            database, store, warm_up, settings.permissions, self._forget, self._shadow.follow
        )
        self._previews = Previews(database)
        self._evaluations = ConfigurationEvaluations(database, settings.permissions)
        self.placements = placements_in(database)
        self.rules = rules_in(database)
        self.experiments = ExperimentStore(database)
        self._recent_pages = RecentPages(settings.keep_pages_seconds)
        self.tokens = load_token_keys(settings, database)
        self._recommendation_log = RecommendationLog(database, "recommendation")
        self._random = np.random.default_rng(settings.exploration_seed or None)
        self._training = SingleJob(TRAINING, settings)
        self._gate = SingleJob(GATE, settings)
        self._tuning = SingleJob(TUNING, settings)
        self._forgetting = SingleJob(FORGETTING, settings)

    def start(self) -> None:
        """Load the active model and begin to follow changes."""
        self._model_manager.start()
        self._recommendation_log.start()
        self._shadow.start()

    def stop(self) -> None:
        """Write what still waits and end what `start` began. Safe to repeat."""
        self._recommendation_log.stop()
        self._shadow.stop()
        self._model_manager.stop()

    @property
    def merchandising(self) -> Merchandising:
        """The placements and rules in force."""
        return self._model_manager.serving.merchandising

    def recommend(self, query: Query) -> Answer:
        """Return recommendations; they are logged behind the answer.

        Raises
        ------
        NotFound
            If the customer, or a product that the context names, is not known.
        InvalidArgument
            If the page token is of another list or too old.
        Unavailable
            If the database is out of reach.
        """
        with self._shadow.answering():
            return self._answer(query, self._model_manager.serving, self._histories)

    def recommend_all(self, queries: Sequence[Query]) -> list[Answer]:
        """Return the lists of one page, of which none shows what those before it show unless its placement allows it.

        The shopper is read once. Raises as `recommend` does, with the field as `requests[n].…`.
        """
        serving, histories = self._model_manager.serving, OneReading(self._histories)
        answers: list[Answer] = []
        with self._shadow.answering():
            for query in queries:
                seen = () if query.placement.allow_repeats else tuple(key for each in answers for key in each.page.keys)
                try:
                    answers.append(self._answer(replace(query, beside=seen), serving, histories))
                except QuintetError as error:
                    raise in_list(error, len(answers)) from error
        return answers

    def rank(self, asked: RankQuery) -> RankAnswer:
        """Return the products of a list in the order that suits a shopper; the first are logged behind the answer.

        Raises NotFound for an unknown customer or product of the context, Unavailable.
        """
        serving, now = self._model_manager.serving, datetime.now(UTC)
        shopper = read_known_shopper(self._histories, asked.query, serving)
        ranked = rank_given(serving, request_context(shopper, asked.query, serving), asked)
        items = PackedItems.of(_ranked_items(ranked.products[:MOST_EXPLAINED]))
        number, logged = self._log(
            shopper.person, _Shown(asked.query.context.page, items, RANKED, serving.version, now)
        )
        fallbacks = self._fallbacks(serving, ranked.failed, logged=logged)
        return RankAnswer(ranked, number, serving.version, fallbacks, now, shopper.person.segment)

    def preview(self, request: PreviewRequest) -> tuple[Preview, Catalogue]:
        """Return what rules would have changed lately, and the catalogue whose rows it names.

        Raises Conflict while another preview is made, Unavailable.
        """
        catalogue = self._model_manager.serving.catalogue
        return self._previews.make(request, catalogue), catalogue

    def evaluate(self, request: EvaluationRequest) -> tuple[Evaluation, Catalogue]:
        """Return what a configuration would have earned, and the catalogue whose keys its examples name.

        Raises as `ConfigurationEvaluations.make` does.
        """
        serving = self._model_manager.serving
        return self._evaluations.make(request, serving, self._model_manager.serving_of), serving.catalogue

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

    def roll_back(self, key: RequestKey | None = None) -> ModelVersion:
        """Put the version before the one in force in force. A request `key` that is repeated changes nothing again.

        Raises FailedPrecondition where no older one is stored, DataLoss for a damaged one.
        """
        before = self._active()
        with self._database.read() as connection:
            refused = improvement_runs.not_let_through(connection)
        rolled_back = models.roll_back(self._database, KIND, partial(one_before_active, refused=refused), key)
        self._take_over(before)
        return rolled_back

    def quality(self, version: str) -> Quality:
        """Return what was measured of a version; empty for the one in force. Raises NotFound."""
        return quality_of(self.versions(), version)

    async def train(
        self, *, quick: bool = False, trigger: str = "", drift_day: int = 0
    ) -> AsyncGenerator[Progress, None]:
        """Train in a child process, use the new model as far as the gate lets it through, and yield the progress.

        A `quick` training learns the rerankers from few questions: for a shop's first. `trigger` and `drift_day` say
        what asked for it, as the run of the gate records it.

        Raises Conflict while another training runs or an improvement run is open, FailedPrecondition when there is
        nothing to learn from.
        """
        before = await asyncio.to_thread(self._active)
        given = [QUICK] if quick else []
        given += [f"{TRIGGER}={trigger}"] if trigger else []
        given += [f"{DRIFT_DAY}={drift_day}"] if drift_day else []
        async with aclosing(gated_training(self._training.run(*given), lambda: self._gate.run(TEST))) as steps:
            async for progress in steps:
                if progress.result is not None:
                    await asyncio.to_thread(self._take_over_trained, before, progress.result)
                yield progress

    async def test_candidate(self) -> AsyncGenerator[Progress, None]:
        """Test the candidate that waits for its test, if any, in a child process, and yield the progress.

        Raises Conflict while another test runs.
        """
        before = await asyncio.to_thread(self._active)
        async with aclosing(self._gate.run(TEST)) as steps:
            async for progress in steps:
                if progress.result is not None:
                    await asyncio.to_thread(self._take_over_trained, before, progress.result)
                yield progress

    async def replay(self, start: datetime, end: datetime) -> AsyncGenerator[Progress, None]:
        """Answer the questions of a span with the live model in a child process, and yield the progress.

        Raises Conflict while another test or replay runs.
        """
        moments = (str(int(each.timestamp())) for each in (start, end))
        async with aclosing(self._gate.run(REPLAY, *moments)) as steps:
            async for progress in steps:
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

    def _take_over_trained(self, before: str | None, result: dict[str, Any]) -> None:
        """Load the active version; when that fails, make the one before active again, record it and raise."""
        try:
            self._take_over(before)
        except QuintetError as error:
            with self._database.write() as connection:
                run = improvement_runs.get(connection, result.get("improvement_run_id", ""))
                if run is not None:
                    failed = run.moved(
                        improvement_runs.FAILED, f"It cannot be loaded: {error.message}", datetime.now(UTC)
                    )
                    improvement_runs.save(connection, failed, run.state)
            raise

    def _answer(self, query: Query, serving: ServingState, histories: ShopperHistories) -> Answer:
        shopper = read_known_shopper(histories, query, serving)
        now = datetime.now(UTC)
        stored = query.placement.placement_id if query.stored_placement else ""
        decided = decide(query, shopper, serving.merchandising, self._random, now)
        wanted = decided.query.placement.model_version
        state = self._model_manager.serving_of(wanted) if wanted else serving
        if state is not None and state.version != serving.version:
            shopper = read_known_shopper(histories, decided.query, state)  # by the rows of that model
        query = self._completed(decided.query, serving, shopper.person)
        page = self._drawn_page(state or serving, shopper, query, decided)
        model = (state or serving).version
        decision = _decision(decided, page)
        items, exposures = page.items, decided.exposures
        shown = _Shown(query.context.page, items, page.strategy, model, now, stored, exposures, decision)
        number, logged = self._log(shopper.person, shown)
        if logged and number != UNCOUNTED and decided.comparable and not query.page_token:
            self._shadow.offer(query, number, page.keys, model)
        fallbacks = self._fallbacks(
            serving, page.failed, exhausted=page.exhausted, logged=logged, other_model=state is None
        )
        return Answer(
            page,
            number,
            model,
            fallbacks,
            now,
            shopper.person.segment,
            self._next_token(query, page),
            exposures,
            decided.bandit.variant_id if decided.bandit else "",
        )

    def _answer_again(self, query: Query, version: str) -> tuple[int, ...] | None:
        """Return the products that a version of the model would show, best first; None where it is not loaded."""
        state = self._model_manager.serving_of(version)
        if state is None:
            return None
        shopper = read_known_shopper(self._shadow_histories, query, state)
        choice = choose(state, request_context(shopper, query, state), query)
        return tuple(pick.product_key for pick in choice.picks)

    def _forget(self, keys: Sequence[int]) -> None:
        self._histories.forget(keys)
        self._shadow_histories.forget(keys)

    def _drawn_page(self, serving: ServingState, shopper: KnownShopper, query: Query, decided: Decided) -> ReadyPage:
        """Return the page of a shopper, drawn from both arms where the list is interleaved."""
        both = decided.interleaved
        if both is None:
            return self._page(serving, shopper, query, decided.draw)
        choices = []
        for arm in both.arms:
            filled = replace(query, stored_placement=arm.variant.fill(query.placement))
            filled = self._completed(filled, serving, shopper.person)
            choices.append(choose(serving, request_context(shopper, filled, serving), filled))
        choice, credit = interleaved_choice(choices[0], choices[1], both.design, query.limit, self._random)
        return replace(_ready(choice, query), credits=credit)

    def _page(self, serving: ServingState, shopper: KnownShopper, query: Query, draw: Draw | None) -> ReadyPage:
        """Return the page of a shopper: a kept one, unless it explores or another model than the active one answers."""

        def make() -> ReadyPage:
            return _ready(choose(serving, request_context(shopper, query, serving), query, draw), query)

        anew = draw is not None or query.placement.model_version
        return make() if anew else self._recent_pages.get(serving, shopper, query, make)

    def _log(self, person: Person, shown: "_Shown") -> tuple[int, bool]:
        """Log a list where the shopper permits `measure`; return its number, and False where it could not be kept."""
        if not person.permissions.measure:
            return UNCOUNTED, True
        number = self._recommendation_log.take_number()
        new = NewList(
            number,
            request_id=uuid.uuid4().hex,
            customer_key=person.key,
            page_type=shown.page.value,
            generated_at=shown.at,
            items=shown.items,
            strategy=shown.strategy,
            model_version=shown.model_version,
            placement_id=shown.placement_id,
            exposures=shown.exposures,
            decision=shown.decision,
        )
        return number, self._recommendation_log.append(new)

    def _completed(self, query: Query, serving: ServingState, person: Person) -> Query:
        """Return a query with the rules in force and what the pages of the list before show."""
        rules: tuple[Rule, ...] = ()
        if serving.merchandising.rules or query.placement.with_rules:
            segments = frozenset(person.segments)
            moment = Moment(query.placement.placement_id, query.context.page, segments, datetime.now(UTC))
            rules = serving.merchandising.rules_at(moment, query.placement)
        shown = shown_before(self.tokens, query.paged, query.page_token) if query.paged else ()
        return replace(query, rules=rules, shown=shown) if rules or shown else query

    def _next_token(self, query: Query, page: ReadyPage) -> str:
        if query.paged is None or len(page.keys) < query.limit:
            return ""
        return next_token(self.tokens, query.paged, (*query.shown, *page.keys))

    def _fallbacks(
        self,
        serving: ServingState,
        failed: Iterable[str],
        *,
        logged: bool,
        exhausted: bool = False,
        other_model: bool = False,
    ) -> tuple[str, ...]:
        taken = [] if serving.bundle else ["no_model"]
        if self._model_manager.broken not in ("", serving.version):
            taken.append("model_load_failed")
        taken += [f"algorithm_failed:{name}" for name in failed]
        if exhausted:
            taken.append("all_algorithms_failed")
        if not logged:
            taken.append(LOG_DROPPED)
        if other_model:
            taken.append(NO_MODEL_OF_VARIANT)
        for reason in taken:
            FALLBACKS.labels("recommendation", reason).inc()
        return tuple(taken)


@dataclass(frozen=True)
class _Shown:
    """What is logged of a list besides its shopper; `placement_id` is empty for a built-in placement."""

    page: Page
    items: PackedItems
    strategy: str
    model_version: str
    at: datetime
    placement_id: str = ""
    exposures: tuple[Exposure, ...] = ()
    decision: ListDecision | None = None


def _decision(decided: Decided, page: ReadyPage) -> ListDecision | None:
    """Return what is logged: what a bandit chose, what was explored, what was drawn from arms; None for nothing."""
    if decided.interleaved is not None:
        return ListDecision(interleaved=decided.interleaved.experiment_id, credits=page.credits)
    if page.displaced is None:
        return decided.bandit
    return replace(decided.bandit or ListDecision(), displaced=page.displaced)


def _ready(choice: Choice, query: Query) -> ReadyPage:
    items = [
        ListItem(
            position,
            pick.product_key,
            pick.score,
            pick.algorithm,
            pick.contributions,
            _reason(pick.explanation),
            pick.propensity,
        )
        for position, pick in enumerate(choice.picks, start=1)
    ]
    message = convert.to_message(choice, query.placement.placement_id)
    keys = tuple(pick.product_key for pick in choice.picks)
    items_packed = PackedItems.of(items)
    return ReadyPage(message, items_packed, choice.strategy, choice.failed, choice.exhausted, keys, choice.displaced)


def _ranked_items(products: Sequence[PlacedProduct]) -> list[ListItem]:
    """Return what is logged of a list that was brought: known products, at their places in the answer."""
    return [
        ListItem(position, each.key, each.score, each.algorithm, each.contributions, _reason(each.explanation))
        for position, each in enumerate(products, start=1)
        if each.key is not None
    ]


def _reason(why: Explanation | None) -> dict[str, Any]:
    if why is None:
        return {}
    return {"kind": why.kind, "product_ids": list(why.product_ids), "group": why.group}
