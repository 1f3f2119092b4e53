"""The synthetic data sets and the page of the scaling benchmark."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.scaling.costs import COSTS
from benchmarks.quality.scaling.report import write_page
from benchmarks.quality.scaling.synthetic_data import NOW, synthetic_data
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.registry import BY_NAME

PRODUCTS = 500


def test_synthetic_data_grows_with_the_catalogue():
    small, large = synthetic_data(100), synthetic_data(200)
    assert large.n_customers == 2 * small.n_customers == 2000
    assert len(large.customers) == 2 * len(small.customers) == 20_000


def test_synthetic_data_is_the_same_every_time():
    first, second = synthetic_data(PRODUCTS, seed=3), synthetic_data(PRODUCTS, seed=3)
    assert np.array_equal(first.products, second.products)
    assert not np.array_equal(first.products, synthetic_data(PRODUCTS, seed=4).products)


def test_synthetic_data_is_like_a_shop():
    data = synthetic_data(PRODUCTS)
    counts = np.sort(np.bincount(data.products, minlength=PRODUCTS))[::-1]
    assert counts[: PRODUCTS // 10].sum() > 0.3 * counts.sum()  # the best tenth sells most
    assert set(np.unique(data.kinds)) == set(Kind)
    assert np.all(np.diff(data.times) >= -3600)
    assert data.times.max() < NOW
    owners = np.zeros(data.baskets.max() + 1, np.int64)
    owners[data.baskets] = data.customers
    assert np.array_equal(owners[data.baskets], data.customers)  # a session is one customer's


def test_customers_keep_to_their_tastes():
    data = synthetic_data(PRODUCTS)
    own = data.category[data.products[data.customers == data.customers[0]]]
    many = [
        np.bincount(data.category[data.products[data.customers == customer]]).max()
        for customer in np.unique(data.customers)[:200]
        if (data.customers == customer).sum() >= 10
    ]
    assert len(own)
    assert np.mean(many) > 3  # of ten events in ten tastes, by chance hardly three in one


def test_every_algorithm_says_its_cost():
    assert set(BY_NAME) <= set(COSTS)


def row(name: str, products: int, seconds: float) -> dict[str, Any]:
    return {
        "algorithm": name,
        "products": products,
        "customers": 10 * products,
        "events": 100 * products,
        "train_seconds": seconds,
        "peak_mb": 100.0,
        "artefact_mb": 5.0,
        "ms_per_user": 0.1,
        "ms_alone": 1.0,
    }


def test_the_page_says_growth_and_what_took_too_long(tmp_path: Path):
    rows = [row("ease", 1000, 1.0), row("ease", 3000, 6.5), row("quintet", 1000, 9.0)]
    rows.append({"algorithm": "quintet", "products": 3000, "failed": "over 20 min"})
    machine = {"processor": "P", "cores": 2, "memory_gb": 8}
    page = tmp_path / "docs" / "scaling.md"
    write_page({"rows": rows, "commit": "c0ffee", "machine": machine}, page)
    text = page.read_text()
    assert "| ease | 1 | 6.5 | 6.5 |" in text
    assert "| quintet | 9 | over 20 min | – |" in text
    assert (tmp_path / "docs" / "scaling.png").stat().st_size > 1000
