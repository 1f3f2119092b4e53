"""What a scorer says depends on the shopper alone: not on who was asked before it, nor on who else is asked."""

from itertools import permutations

import numpy as np
import pytest

from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.reranker.scorers import LAST, OF_LAST
from services.recommendation.serving.proposals import Proposals
from services.recommendation.serving.retrieval import LastProductScorer, Scorer, ShopperViews, TrainedScorer
from tests.contract.algorithms.synthetic_data import browsing, shop

N = 30
EVERY = np.arange(N, dtype=np.int32)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Algorithm]:
    return {name: BY_NAME[name]().fit(shop()) for name in OF_LAST}


def scorers_of(algorithm: Algorithm) -> dict[str, Scorer]:
    """The scorer of an algorithm, and the one for the last product alone."""
    return {algorithm.name: TrainedScorer(algorithm), algorithm.name + LAST: LastProductScorer(algorithm)}


def fresh_views() -> ShopperViews:
    return ShopperViews(browsing(3, 8, 21), N, 0)


@pytest.mark.parametrize("name", OF_LAST)
def test_scores_do_not_depend_on_the_order_in_which_scorers_are_asked(name: str, fitted: dict[str, Algorithm]) -> None:
    scorers = scorers_of(fitted[name])
    alone = {each: scorer.scores_of(fresh_views()).at(EVERY) for each, scorer in scorers.items()}
    assert not np.array_equal(alone[name], alone[name + LAST]), "the last product alone gives other scores"
    for order in permutations(scorers):
        views = fresh_views()
        for each in order:
            np.testing.assert_array_equal(scorers[each].scores_of(views).at(EVERY), alone[each])


@pytest.mark.parametrize("name", OF_LAST)
def test_proposals_have_the_scores_of_each_scorer_asked_alone(name: str, fitted: dict[str, Algorithm]) -> None:
    scorers = scorers_of(fitted[name])
    together = Proposals.of(scorers, scorers, fresh_views(), np.ones(N, np.bool_), N)
    assert set(together.names) == set(scorers)
    for each in scorers:
        alone = scorers[each].scores_of(fresh_views()).at(together.rows)
        np.testing.assert_array_equal(together.scores_by(each), alone)
