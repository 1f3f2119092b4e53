"""What is learned from a sample of a large shop, and what from all of it."""

import numpy as np
import pytest

from services.recommendation.algorithms.base import Algorithm, Interactions
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.registry import CLASSES, default_algorithms
from services.recommendation.training import reranker_training
from services.recommendation.training.fit import train
from services.recommendation.training.reranker_training import train_rerankers
from services.recommendation.training.sample import some_customers
from tests.contract.algorithms.synthetic_data import shop


def test_a_sample_keeps_all_events_of_the_customers_that_are_drawn():
    data = shop()
    sample = some_customers(data, len(data.customers) // 3)
    drawn = np.unique(sample.customers)
    assert 0 < len(drawn) < data.n_customers
    assert len(sample.customers) == np.isin(data.customers, drawn).sum()
    assert (sample.n_customers, sample.n_products) == (data.n_customers, data.n_products)


def test_a_sample_is_about_as_large_as_asked_for_and_the_same_for_the_same_seed():
    rng = np.random.default_rng(0)
    data = Interactions.of(rng.integers(0, 5_000, 40_000), np.zeros(40_000), n_customers=5_000, n_products=1, now=0)
    sizes = [len(some_customers(data, 10_000, seed).customers) for seed in range(5)]
    assert all(9_000 < size < 11_000 for size in sizes)
    again, other = some_customers(data, 10_000), some_customers(data, 10_000, seed=1)
    assert again.customers.tolist() == some_customers(data, 10_000).customers.tolist()
    assert again.customers.tolist() != other.customers.tolist()


def test_a_shop_of_no_more_is_not_sampled():
    data = shop()
    assert some_customers(data, len(data.customers)) is data


def test_only_the_costly_algorithms_learn_from_the_sample(monkeypatch: pytest.MonkeyPatch):
    fitted_on = {}
    for kind in CLASSES:
        monkeypatch.setattr(kind, "fit", lambda self, data: fitted_on.update({self.name: len(data.customers)}))
    data = shop()
    train(data, default_algorithms(), most_interactions=200)
    sampled = {kind.name for kind in CLASSES if kind.sampled}
    assert sampled == {"ease", "graph_filter", "matrix_factorization", "transitions"}
    assert {name for name, size in fitted_on.items() if size < len(data.customers)} == sampled


def test_models_of_a_shop_below_the_bound_do_not_depend_on_it():
    data = shop()
    bounded = train(data, most_interactions=len(data.customers)).algorithms
    whole = train(data, most_interactions=10**12).algorithms
    for name, algorithm in bounded.items():
        expected = whole[name].state()
        assert all(array.tobytes() == expected[key].tobytes() for key, array in algorithm.state().items()), name


def test_the_rerankers_learn_from_the_sample(monkeypatch: pytest.MonkeyPatch):
    seen = []
    splits = reranker_training._splits
    monkeypatch.setattr(
        reranker_training, "_splits", lambda data, params: seen.append(len(data.customers)) or splits(data, params)
    )
    data = shop()

    def algorithms() -> list[Algorithm]:
        return [Popular()]

    for most in (200, len(data.customers)):
        train_rerankers(data, algorithms, lambda *step: None, threads=1, most_interactions=most)
    assert seen[0] < 300
    assert seen[1] == len(data.customers)
