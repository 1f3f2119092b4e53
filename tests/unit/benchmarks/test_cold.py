"""What is withheld from the training for the questions about new customers and cold products."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.quality.cold import SERVED, compared, main, report, variants
from benchmarks.quality.cold_shop import APART, DAY, FEW, WINDOW, ColdShop
from benchmarks.quality.described import DescribedShop
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.holdout.protocols import products_of

MOMENT = 260 * DAY
CUSTOMERS, PRODUCTS = 200, 90


def described() -> DescribedShop:
    """Customers of three kinds buy products of their kind; a fifth of the products is first sold in the last weeks."""
    rng = np.random.default_rng(0)
    n = 9000
    customers, times = rng.integers(0, CUSTOMERS, n), np.sort(rng.integers(0, 300 * DAY, n))
    products = customers % 3 + 3 * rng.integers(0, PRODUCTS // 3, n)
    late = times >= MOMENT - 10 * DAY
    products = np.where(late | (products < 72), products, products % 72)
    added = np.full(PRODUCTS, np.iinfo(np.int64).max)
    np.minimum.at(added, products, times)
    events = Interactions.of(
        customers,
        products,
        n_customers=CUSTOMERS,
        n_products=PRODUCTS,
        now=300 * DAY,
        times=times,
        baskets=np.arange(n),
        embeddings=np.eye(3)[np.arange(PRODUCTS) % 3] + 0.1 * rng.standard_normal((PRODUCTS, 3)),
        added=added,
        category=np.arange(PRODUCTS) % 3,
    )
    return DescribedShop("toy", "Toy", events, MOMENT)


@pytest.fixture(scope="module")
def cold() -> ColdShop:
    return ColdShop.at(described(), MOMENT, 1000, seed=0)


def test_the_training_sees_nothing_of_what_is_withheld(cold: ColdShop) -> None:
    train, unmet, added = cold.task.train, cold.slices["unmet"], cold.slices["added"]
    assert (train.times < MOMENT).all()
    assert added.sum() == PRODUCTS - train.n_products > 0
    assert added[train.n_products :].all()
    assert unmet.sum() > 0
    assert not products_of(train)[unmet[: train.n_products]].any()
    new = {case.customer for case in (*cold.strangers, *cold.newcomers)}
    assert new
    assert not new & set(train.customers.tolist())
    assert (cold.everything.added[added] >= MOMENT - WINDOW).all()


def test_new_customers_have_no_events_or_one_to_three(cold: ColdShop) -> None:
    assert {len(case.shopper.products) for case in cold.strangers} == {0}
    assert {len(case.shopper.products) for case in cold.newcomers} == set(range(1, FEW + 1))
    for case in cold.newcomers:
        assert not np.isin(case.targets, case.shopper.products).any()


def test_the_answers_of_a_slice_are_its_products(cold: ColdShop) -> None:
    asked = dict(cold.questions())
    for name, products in cold.slices.items():
        assert all(products[case.targets].all() for case in asked[name]), name
    parts = sum(len(case.targets) for name in ("met", "unmet", "added") for case in asked[name])
    assert parts == sum(len(case.targets) for case in asked["all"])
    for case in asked["all"]:
        assert not np.isin(case.targets, case.shopper.products).any()


def test_of_a_list_of_cold_products_alone_the_same_is_asked(cold: ColdShop) -> None:
    asked, met = dict(cold.questions()), np.flatnonzero(cold.slices["met"])
    for apart, name in APART.items():
        assert [case.targets.tolist() for case in asked[apart]] == [case.targets.tolist() for case in asked[name]]
        assert all(np.isin(met, case.excluded).all() for case in asked[apart])


def test_the_page_gives_cold_products_the_places_that_the_variant_says(cold: ColdShop) -> None:
    few = replace(cold, cases=cold.cases[:40], strangers=cold.strangers[:5], newcomers=cold.newcomers[:5])
    changes = {name: change for name, change in variants().items() if name in ("none", "one in 5")}
    rows = compared("Toy", few, changes, 1, 0)
    ndcg = {(row.slice, row.name): row.ndcg for row in rows}
    for part in ("unmet", "added"):
        assert ndcg[part, "one in 5"] > ndcg[part, "none"]
        assert ndcg[f"{part}, apart", SERVED] > ndcg[part, SERVED]
    assert {"popular", "content nearest", "new arrivals", "popular in category"} <= {row.name for row in rows}
    assert any(row.name.startswith("mix") for row in rows if row.slice == "stranger")
    assert "| added |" in report(rows)


def test_help_says_what_is_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--validation" in capsys.readouterr().out
