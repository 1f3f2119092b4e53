"""The defaults that are chosen again: by questions inside the data, and only for what is better beyond chance."""

from inspect import signature

import numpy as np

from benchmarks.quality.defaults import FUSION_KS, HALF_LIVES, PRIOR_EXPONENTS, RHYTHMS, chosen_again, compared
from services.recommendation.algorithms.fusion import fuse
from services.recommendation.algorithms.interactions import DAY, Interactions
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.tasks import EvalCase, Protocol
from tests.unit.recommendation.evaluation.synthetic_data import rows


def shop(n_customers: int = 40, n_products: int = 120, days: int = 60) -> Interactions:
    """Customers who buy two of forty products of their kind every other day."""
    rng = np.random.default_rng(1)
    customers, visits = np.meshgrid(np.arange(n_customers), np.arange(0, days, 2), indexing="ij")
    customers, visits = (np.repeat(each.ravel(), 2) for each in (customers, visits))
    products = customers % 3 * 40 + rng.integers(0, 40, len(customers))
    return Interactions.of(
        customers,
        products,
        n_customers=n_customers,
        n_products=n_products,
        now=days * DAY,
        times=visits * DAY,
        baskets=customers * days + visits,
        embeddings=rng.normal(size=(n_products, 8)),
    )


def test_every_value_is_measured_and_one_of_each_default_is_chosen():
    printed: list[str] = []
    found = chosen_again(shop(), 30, printed.append)
    kinds = {(row["parameter"], row["protocol"]) for row in found}
    both = ("fusion k", "popularity prior exponent, content alone", "popularity prior exponent, fusion")
    expected = {(name, protocol) for name in both for protocol in ("top-n", "top-n-discovery")}
    assert kinds == expected | {("repurchase half_life_days", "top-n"), ("repurchase rhythm", "top-n")}
    for name, values in (
        ("fusion k", FUSION_KS),
        ("repurchase rhythm", RHYTHMS),
        ("repurchase half_life_days", HALF_LIVES),
    ):
        of = [row for row in found if row["parameter"] == name and row["protocol"] == "top-n"]
        assert [row["value"] for row in of] == list(values)
        assert sum(row["chosen"] for row in of) == 1
        assert all(0.0 < row["ndcg"] <= 1.0 for row in of)
    assert any("repurchase rhythm" in text for text in printed)


def test_todays_values_come_first():
    # the choice compares with the first value: it must be what the product uses
    assert signature(fuse).parameters["k"].default == FUSION_KS[0]
    assert PRIOR_EXPONENTS[0] == 0.5  # the square root in popularity_prior


def test_a_value_is_chosen_only_where_it_is_better_beyond_chance():
    cases = [EvalCase(Shopper(now=0), rows(1), rows(), customer) for customer in range(200)]
    rng = np.random.default_rng(0)
    today = rng.random(200)
    noise, better = today + rng.normal(0.0, 0.3, 200), today + 0.02
    chosen = [row["chosen"] for row in compared("p", Protocol.TOP_N, (1.0, 2.0), [today, noise], cases)]
    assert chosen == [True, False]
    found = compared("p", Protocol.TOP_N, (1.0, 2.0, 3.0), [today, noise, better], cases)
    assert [row["chosen"] for row in found] == [False, False, True]
    assert found[0]["best"] == 3.0
