"""Learning the hybrids of a shop: what is learned, what is left out, and what is said of it."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from services.recommendation.algorithms.base import Algorithm, Interactions, Kind
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.related import Complementary
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.algorithms.transitions import Transitions
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.training import reranker_trainer
from services.recommendation.training.eval_rounds import HeldOutPeriod
from services.recommendation.training.reranker_params import BoostingParams, RerankerParams
from services.recommendation.training.reranker_training import RerankerTrainingResult, train_rerankers
from tests.contract.algorithms.synthetic_data import NOW

CUSTOMERS, PRODUCTS, VISITS = 400, 160, 8
QUICK = RerankerParams(depth=20, boosting=BoostingParams(rounds=20, min_leaf=20, threads=1), most_splits=1)


def algorithms() -> list[Algorithm]:
    return [Popular(), Repurchase(), Transitions(), ItemKnn(), Complementary()]


def interactions(n_customers: int = CUSTOMERS) -> Interactions:
    """Customers look at three products in a row of their own department, each time, and buy two of the next ones.

    Half of the visits go on where the one before ended. Popularity says nothing, as all products are alike.
    """
    rng = np.random.default_rng(0)
    n = n_customers * VISITS
    customers = np.repeat(np.arange(n_customers), VISITS)
    department = customers % 4 * 40
    first = rng.integers(0, 40, (n_customers, VISITS))
    goes_on = rng.random((n_customers, VISITS)) < 0.5
    for visit in range(1, VISITS):
        first[goes_on[:, visit], visit] = first[goes_on[:, visit], visit - 1] + 5
    steps = np.stack([department + (first.ravel() + step) % 40 for step in range(5)], axis=1)
    times = NOW - np.sort(rng.integers(0, 100 * DAY, (n_customers, VISITS)))[:, ::-1].ravel()
    return Interactions.of(
        np.repeat(customers, 5),
        steps.ravel(),
        n_customers=n_customers,
        n_products=PRODUCTS,
        now=NOW,
        kinds=np.tile([Kind.VIEW] * 3 + [Kind.PURCHASE] * 2, n),
        times=(times[:, None] + 60 * np.arange(5)).ravel(),
        baskets=(2 * np.arange(n)[:, None] + [0, 0, 0, 1, 1]).ravel(),
    )


@pytest.fixture(scope="module")
def stages() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def outcome(stages: list[tuple[str, int, int]]) -> RerankerTrainingResult:
    return train_rerankers(interactions(), algorithms, lambda *stage: stages.append(stage), threads=1, params=QUICK)


@dataclass
class Noted:
    """What a training was seen to do, and what came of it."""

    learned_from: set[int] = field(default_factory=set)
    evaluated: set[int] = field(default_factory=set)
    held_back: set[int] = field(default_factory=set)
    questions: list[int] = field(default_factory=list)
    outcome: RerankerTrainingResult | None = None


@pytest.fixture(scope="module")
def noted() -> Noted:
    """Train once more as for `outcome`, and look on."""
    seen = Noted()
    drawn_up, fit = reranker_trainer.ContextExamples.drawn_up, reranker_trainer.fit_candidate

    def noting_customers(self, scores, part, *rest):  # type: ignore[no-untyped-def]
        evaluation, examples, others = drawn_up(self, scores, part, *rest)
        customers = np.array([question.customer for question in self._questions[part]])
        seen.learned_from.update(customers[examples.sizes > 0].tolist())
        seen.held_back.update(customers[others.sizes > 0].tolist())
        seen.evaluated.update(evaluation.clusters.tolist())
        return evaluation, examples, others

    def noting_questions(parts, *rest):  # type: ignore[no-untyped-def]
        seen.questions.append(sum(int((part.sizes > 0).sum()) for part in parts))
        return fit(parts, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reranker_trainer.ContextExamples, "drawn_up", noting_customers)
        patched.setattr(reranker_trainer, "fit_candidate", noting_questions)
        seen.outcome = train_rerankers(interactions(), algorithms, lambda *_: None, threads=1, params=QUICK)
    return seen


def test_every_context_gets_a_hybrid_that_beats_fixed_weights(outcome: RerankerTrainingResult) -> None:
    assert set(outcome.reports) == {context.value for context in RerankContext}
    for context in outcome.learned.rerankers:
        report = outcome.reports[context.value]
        assert report["learned"]
        assert report["questions"] >= 50
        assert report["evaluated"] >= reranker_trainer.FEWEST_EVALUATED
        assert report["ndcg_at_20.hybrid"] > report["ndcg_at_20.fixed"]
    assert {RerankContext.DISCOVERY, RerankContext.SESSION} <= outcome.learned.rerankers.keys()
    session = outcome.reports["session"]
    assert session["best"] == "transitions"
    assert session["ndcg_at_20.hybrid"] > 2 * session["ndcg_at_20.popular"]


def test_what_goes_with_the_last_product_is_learned(outcome: RerankerTrainingResult) -> None:
    low = outcome.reports["discovery"]["ndcg_gain.over_best"][1]
    assert low > 0
    for context in (RerankContext.DISCOVERY, RerankContext.SESSION):
        assert {"transitions@last", "item_knn@last"} <= set(outcome.learned.rerankers[context].algorithms)


def test_hybrids_lead_to_what_their_context_asks_for(outcome: RerankerTrainingResult) -> None:
    targets = {context: hybrid.target for context, hybrid in outcome.learned.rerankers.items()}
    assert targets[RerankContext.DISCOVERY] is Kind.PURCHASE
    assert targets[RerankContext.SESSION] is Kind.VIEW
    assert outcome.learned.item_features.keys() == set(targets.values())
    for facts in outcome.learned.item_features.values():
        facts.require(PRODUCTS)


def test_algorithms_that_add_nothing_or_know_the_answers_are_left_out(outcome: RerankerTrainingResult) -> None:
    for hybrid in outcome.learned.rerankers.values():
        assert not {"complementary", "content", "new_arrivals", "similar"} & set(hybrid.algorithms)


def test_progress_goes_forward_to_its_end(outcome: RerankerTrainingResult, stages: list[tuple[str, int, int]]) -> None:
    done = [done for _, done, _ in stages]
    assert done == sorted(done)
    assert {total for _, _, total in stages} == {4 + 3}
    assert done[-1] == 6
    assert any("everything and discovery" in name for name, _, _ in stages)


def test_people_who_buy_again_are_noticed(outcome: RerankerTrainingResult) -> None:
    assert 0.1 < outcome.learned.rebuy_rate < 0.3
    assert outcome.kind_weights.shape == (3,)


def test_newcomers_get_a_weight_of_their_own(outcome: RerankerTrainingResult) -> None:
    by_weight = outcome.newcomers["ndcg_at_20"]
    assert outcome.newcomers["questions"] >= 100
    assert f"{outcome.learned.newcomer_weight:g}" in by_weight
    assert max(by_weight.values()) > 0


def test_the_examined_reranker_learns_nothing_from_the_examined(noted: Noted) -> None:
    assert noted.learned_from
    assert noted.evaluated
    assert not noted.learned_from & noted.evaluated
    assert noted.held_back
    assert noted.held_back <= noted.evaluated


def test_what_passes_the_exam_is_trained_again_on_all_questions(noted: Noted, outcome: RerankerTrainingResult) -> None:
    reports = [outcome.reports[context] for context in ("everything", "discovery", "basket", "session")]
    for questions, report in zip(noted.questions, reports, strict=True):
        assert (report["questions"] > questions) == report["learned"]


def test_too_little_to_learn_from_is_examined_with_fixed_weights() -> None:
    outcome = train_rerankers(interactions(60), algorithms, lambda *_: None, threads=1, params=QUICK)
    discovery = outcome.reports["discovery"]
    assert RerankContext.DISCOVERY not in outcome.learned.rerankers
    assert (discovery["learned"], discovery["questions"]) == (False, 0)
    assert discovery["recall_at_20.hybrid"] == discovery["recall_at_20.fixed"]


def test_almost_nothing_says_nothing() -> None:
    outcome = train_rerankers(interactions(3), algorithms, lambda *_: None, threads=1, params=QUICK)
    assert not outcome.learned.rerankers
    assert not outcome.reports.keys() & {"discovery", "everything"}
    nobody = train_rerankers(
        interactions().where(np.zeros(CUSTOMERS * VISITS * 5, dtype=bool)), algorithms, lambda *_: None, threads=1
    )
    assert (nobody.reports, nobody.learned.rebuy_rate) == ({}, 0)


def test_a_hybrid_that_is_no_better_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    of_reranker = reranker_trainer.HoldoutEval.of_reranker

    def worse(self, hybrid):  # type: ignore[no-untyped-def]
        return {name: values * 0 for name, values in of_reranker(self, hybrid).items()}

    monkeypatch.setattr(reranker_trainer.HoldoutEval, "of_reranker", worse)
    outcome = train_rerankers(interactions(), algorithms, lambda *_: None, threads=1, params=QUICK)
    assert outcome.learned.rerankers == {}
    assert all(report["ndcg_at_20.hybrid"] == report["ndcg_at_20.fixed"] for report in outcome.reports.values())


def test_learning_is_repeatable(outcome: RerankerTrainingResult, noted: Noted) -> None:
    again = noted.outcome
    assert again is not None
    assert again.reports == outcome.reports
    for context, hybrid in outcome.learned.rerankers.items():
        for name, array in again.learned.rerankers[context].trees.state().items():
            np.testing.assert_array_equal(array, hybrid.trees.state()[name])


def test_little_data_is_learned_from_at_several_moments(outcome: RerankerTrainingResult) -> None:
    several = replace(QUICK, most_splits=2)
    found = train_rerankers(interactions(), algorithms, lambda *_: None, threads=1, params=several)
    for context in found.learned.rerankers.keys() & outcome.learned.rerankers.keys():
        one, two = outcome.reports[context.value], found.reports[context.value]
        assert two["questions"] > 1.3 * one["questions"]
        assert two["evaluated"] == one["evaluated"], "the evaluation asks of the latest time only"


def test_questions_are_as_many_as_asked_for_at_most() -> None:
    few = replace(QUICK, most_questions=150)
    found = train_rerankers(interactions(), algorithms, lambda *_: None, threads=1, params=few)
    assert found.reports
    assert all(report["questions"] <= 150 for report in found.reports.values())


def test_of_many_customers_fewer_than_a_fifth_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = HeldOutPeriod(interactions()).of_customers(1_000)
    fifth = reranker_trainer.evaluated_customers([asked], CUSTOMERS, 0)
    monkeypatch.setattr(reranker_trainer, "MOST_EVALUATED", 20)
    fewer = reranker_trainer.evaluated_customers([asked], CUSTOMERS, 0)
    assert fifth.sum() == CUSTOMERS // 5
    assert fewer.any()
    assert not (fewer & ~fifth).any()
    assert fewer[asked.customers].sum() <= 20
