"""Models as arrays and facts: they come back as they were, but for the rounding of stored weights."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommendation.algorithms.arrays import AnyArray
from services.recommendation.algorithms.base import Algorithm, Kind
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.registry import default_algorithms
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.models import storage
from services.recommendation.models.artifact import arrays_of, facts_of, model_of
from services.recommendation.models.container import ArtifactError
from services.recommendation.models.model import Model
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import NOTHING, RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import score_by_algorithm
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.training.fit import train
from tests.contract.algorithms.synthetic_data import shop, shopper_of
from tests.unit.recommendation.reranker.trees import grown

Arrays = dict[str, Any]
LOSS = 0.02
"""Most that a score may change, as a share of the largest."""


def contents(model: Model) -> tuple[dict[str, Any], Arrays]:
    """The facts after their way through JSON, and the arrays after theirs through storage."""
    return json.loads(json.dumps(facts_of(model))), dict(storage.restored(dict(arrays_of(model))))


def again(model: Model) -> Model:
    return model_of(*contents(model))


@cache
def learned_model() -> Model:
    """A model with rerankers for two contexts."""
    model = train(shop(), [Popular(), Repurchase()])
    hybrids = {
        RerankContext.DISCOVERY: replace(grown(["popular", "repurchase"]), rate_slope=0.75),
        RerankContext.SESSION: grown(["repurchase"], Kind.VIEW, depth=5),
    }
    facts = {kind: ItemFeatures.of(shop(), kind, timed=True) for kind in (Kind.VIEW, Kind.PURCHASE)}
    return replace(model, learned=RerankerModels(hybrids, facts, rebuy_rate=0.25, newcomer_weight=0.5))


@pytest.mark.parametrize("algorithm", default_algorithms(), ids=lambda each: each.name)
def test_every_algorithm_comes_back_with_its_scores(algorithm: Algorithm) -> None:
    data = shop()
    model = train(data, [algorithm])
    restored = again(model)
    assert restored.metadata == model.metadata
    if algorithm.name == "content":
        return  # what it scores by is taken from the catalogue
    for customer in range(0, 40, 7):
        [before], [after] = (each.scores(shopper_of(data, customer)).values() for each in (model, restored))
        np.testing.assert_allclose(after, before, rtol=LOSS, atol=LOSS * before.max())
        clear = before > LOSS * before.max()
        assert (after[clear] > 0).all()


def test_the_embeddings_of_the_catalogue_are_not_stored() -> None:
    data = shop()
    restored = again(train(data, [algorithm for algorithm in default_algorithms() if algorithm.name == "content"]))
    assert restored.algorithms["content"].embeddings.shape == (30, 0)  # type: ignore[attr-defined]
    assert not restored.algorithms["content"].score(shopper_of(data, 0)).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 8), st.integers(0, 30))
def test_any_model_comes_back(seed: int, n_customers: int, n_products: int, n_events: int) -> None:
    data = shop(seed, n_customers=n_customers, n_products=n_products, n_events=n_events)
    model = train(data)
    restored = again(model)
    for name, scores in model.scores(shopper_of(data, 0)).items():
        if name != "content":
            loss = LOSS * scores.max(initial=0.0)
            np.testing.assert_allclose(restored.scores(shopper_of(data, 0))[name], scores, rtol=LOSS, atol=loss)


def test_rerankers_come_back_as_they_were() -> None:
    model = learned_model()
    restored = again(model)
    assert (restored.learned.rebuy_rate, restored.learned.newcomer_weight) == (0.25, 0.5)
    assert restored.learned.rerankers.keys() == model.learned.rerankers.keys()
    shoppers = [shopper_of(shop(), customer) for customer in range(5)]
    for context, hybrid in restored.learned.rerankers.items():
        before = model.learned.rerankers[context]
        assert (hybrid.algorithms, hybrid.target, hybrid.depth) == (before.algorithms, before.target, before.depth)
        assert hybrid.rate_slope == before.rate_slope
        scores = score_by_algorithm(restored.algorithms, hybrid.algorithms, shoppers)
        candidates = Candidates.of(scores, [NOTHING] * 5, hybrid.depth)
        values = [
            each.learned.rerankers[context].values(candidates, shoppers, each.learned.item_features[hybrid.target])
            for each in (model, restored)
        ]
        assert len(np.unique(values[0])) > 1
        np.testing.assert_array_equal(*values)


@pytest.mark.parametrize(
    ("array", "damaged"),
    [
        ("names", np.frombuffer(b"no names", np.uint8)),
        ("names", np.frombuffer(b"{}", np.uint8)),
        ("starts", np.array([0, 10**6])),
        ("masks", np.zeros(3, np.uint16)),
        ("values", np.zeros((1, 15))),
        ("thresholds", np.zeros(3)),
    ],
)
def test_trees_that_cannot_be_read_are_refused(array: str, damaged: AnyArray) -> None:
    facts, arrays = contents(learned_model())
    with pytest.raises(ArtifactError, match="do not fit together"):
        model_of(facts, arrays | {f"hybrid.session/{array}": damaged})


def test_trees_over_other_features_are_refused() -> None:
    facts, arrays = contents(learned_model())
    other = grown(["popular", "repurchase", "ease"]).trees.state()
    with pytest.raises(ArtifactError, match="other features"):
        model_of(facts, arrays | {f"hybrid.session/{name}": array for name, array in other.items()})


def test_features_of_other_products_are_refused() -> None:
    facts, arrays = contents(learned_model())
    with pytest.raises(ArtifactError, match=r"item features: must have shape \(30, "):
        model_of(facts, arrays | {"facts.VIEW/values": np.zeros((7, 9), np.float32)})


@pytest.mark.parametrize("missing", ["hybrid.session/masks", "facts.VIEW/values", "popular/overall"])
def test_what_is_named_must_be_there(missing: str) -> None:
    facts, arrays = contents(learned_model())
    del arrays[missing]
    with pytest.raises(ArtifactError, match="do not fit together"):
        model_of(facts, arrays)


def test_a_reranker_is_stored_as_arrays() -> None:
    arrays = contents(learned_model())[1]
    for name, array in learned_model().learned.rerankers[RerankContext.SESSION].trees.state().items():
        np.testing.assert_array_equal(arrays[f"hybrid.session/{name}"], array)


def test_a_model_without_algorithms_comes_back() -> None:
    assert again(Model({}, 3, 5)).n_products == 3


@pytest.mark.parametrize(
    "facts",
    [
        {"algorithms": {"magic": {}}},
        {"algorithms": {"popular": {}}},
        {"algorithms": {"popular": {"colour": 1}}},
        {"algorithms": []},
        {"algorithms": {}},
        {},
    ],
)
def test_what_does_not_fit_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="do not fit together"):
        model_of(facts, {})
