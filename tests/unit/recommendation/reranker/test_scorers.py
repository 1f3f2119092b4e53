"""Which scorers a reranker uses, which of them propose, and what they see of a shopper."""

import numpy as np
import pytest

from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.scorers import algorithm_of, is_of_last, last_only, proposers, scorer_names

ALGORITHMS = ("popular", "transitions", "content", "matrix_factorization")


@pytest.mark.parametrize("context", RerankContext)
def test_the_last_product_counts_apart_where_the_next_one_goes_with_it(context: RerankContext) -> None:
    expected = ("popular", "transitions", "matrix_factorization")
    if context in (RerankContext.DISCOVERY, RerankContext.SESSION):
        expected = (*expected, "transitions@last")
    assert scorer_names(ALGORITHMS, context) == expected


def test_scorers_of_the_last_product_propose_nothing() -> None:
    names = scorer_names(ALGORITHMS, RerankContext.SESSION)
    assert proposers(names) == ["popular", "transitions"]
    assert proposers(["matrix_factorization"]) == ["matrix_factorization"]
    assert proposers(iter(names)) == ["popular", "transitions"]


def test_a_scorer_names_its_algorithm() -> None:
    assert [algorithm_of(name) for name in ("transitions@last", "transitions")] == ["transitions", "transitions"]
    assert [is_of_last(name) for name in ("transitions@last", "transitions")] == [True, False]


def test_nothing_but_the_last_product_is_left() -> None:
    history = {"products": np.array([4, 5], np.int32), "times": np.array([1, 2])}
    filled = {"kinds": np.zeros(2, np.int8), "quantities": np.ones(2, np.float32), "baskets": np.arange(2)}
    shopper = Shopper(9, **history, **filled, session=np.array([7], np.int32), groups={"region": 1})
    last = last_only(shopper)
    assert (last.now, last.groups, last.trail.tolist(), len(last.products)) == (9, {"region": 1}, [7], 0)
    assert last_only(Shopper(9, **history, **filled)).trail.tolist() == [5]
    assert last_only(Shopper(9)).trail.tolist() == []
