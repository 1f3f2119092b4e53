"""Behaviour features and the clusters learned from them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.customer.behaviour import FEATURES, behaviour
from services.customer.clusters import Clusters
from services.customer.events import Events, Kind
from services.customer.naming import TYPICAL, distinctive, names_of
from tests.unit.customer.histories import CATEGORIES, NOW, events, joined, purchases

FloatArray = NDArray[np.float64]


def blobs(n: int = 300, spread: float = 0.5, seed: int = 0) -> tuple[FloatArray, NDArray[np.int64]]:
    """Customers of three kinds: evening shoppers with high baskets, frequent ones, lapsed ones."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, n)
    centres = np.zeros((3, len(FEATURES)))
    centres[0, [FEATURES.index("evening_share"), FEATURES.index("basket_value")]] = 8, 7
    centres[1, FEATURES.index("purchases_per_month")] = 8
    centres[2, FEATURES.index("recency_days")] = 8
    return centres[kinds] + rng.normal(scale=spread, size=(n, len(FEATURES))), kinds


def column(features: FloatArray, name: str) -> FloatArray:
    return features[:, FEATURES.index(name)]


def test_features_measure_what_they_say() -> None:
    regular = purchases([90, 60, 30], [0, 1, 2], [100, 100, 400])
    browser = Events.of([NOW] * 3, [0, 0, 1], [Kind.VIEW] * 3)
    found = behaviour(*joined([regular, browser]), 3, NOW, CATEGORIES)
    assert np.expm1(column(found, "purchases_per_month")[0]) == pytest.approx(1.0)
    assert np.expm1(column(found, "basket_value")[0]) == pytest.approx(200.0)
    assert np.expm1(column(found, "recency_days")[0]) == pytest.approx(30.0)
    assert np.expm1(column(found, "basket_lines")[0]) == pytest.approx(1.0)
    assert np.exp(column(found, "category_variety")[0]) == pytest.approx(3.0)
    assert np.expm1(column(found, "views_per_purchase")).tolist()[:2] == pytest.approx([0.0, 3.0])
    assert np.isnan(column(found, "basket_value")[1])
    assert np.isnan(found[2]).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(events(), min_size=1, max_size=4))
def test_features_of_a_customer_do_not_depend_on_others(parts: list[Events]) -> None:
    together = behaviour(*joined(parts), len(parts), NOW, CATEGORIES)
    assert not np.isinf(together).any()
    for row, part in zip(together, parts, strict=True):
        np.testing.assert_allclose(behaviour(*joined([part]), 1, NOW, CATEGORIES)[0], row, atol=1e-9)


def test_finds_the_kinds_and_names_them() -> None:
    features, kinds = blobs()
    model = Clusters.fit(features, components=(2, 3, 4))
    codes = model.memberships(features).codes
    names = {kind: {model.names[code] for code in codes[kinds == kind]} for kind in range(3)}
    assert names[0] <= {"evening_high_basket", "high_basket_evening"}
    assert all(len(found) == 1 for found in names.values())
    assert next(iter(names[1])).startswith("frequent")
    assert next(iter(names[2])).startswith("lapsed")


def test_posteriors_are_chances_and_customers_between_kinds_are_doubtful() -> None:
    features, kinds = blobs()
    model = Clusters.fit(features, components=(3,))
    middle = (features[kinds == 1].mean(axis=0) + features[kinds == 2].mean(axis=0)) / 2
    np.testing.assert_allclose(model.posteriors(features).sum(axis=1), 1.0)
    confidence = model.memberships(np.stack([middle, features[kinds == 1].mean(axis=0)])).confidence
    assert confidence[0] < confidence[1] <= 1.0


def test_units_and_offsets_of_features_do_not_matter() -> None:
    features, _ = blobs()
    codes = Clusters.fit(features, seed=1).memberships(features).codes
    moved = features * 100.0 + 7.0
    np.testing.assert_array_equal(Clusters.fit(moved, seed=1).memberships(moved).codes, codes)


def test_customers_without_events_are_in_no_cluster() -> None:
    features, _ = blobs()
    features[0] = np.nan
    found = Clusters.fit(features).memberships(features[:1])
    assert (found.codes[0], found.confidence[0]) == (-1, 0.0)
    with pytest.raises(ValueError, match="at least one customer must have events"):
        Clusters.fit(features[:1])


@pytest.mark.parametrize("n", [1, 2, 30])
def test_too_few_or_equal_customers_are_one_typical_cluster(n: int) -> None:
    model = Clusters.fit(np.ones((n, len(FEATURES))))
    found = model.memberships(np.ones((n, len(FEATURES))))
    assert model.names == (TYPICAL,)
    assert found.confidence.tolist() == [1.0] * n


def test_unknown_features_count_as_average() -> None:
    features, _ = blobs()
    features[:50, FEATURES.index("price_level")] = np.nan
    model = Clusters.fit(features)
    assert np.isfinite(model.posteriors(features)).all()


def test_a_large_population_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.customer.clusters.MAX_SAMPLE", 100)
    features, _ = blobs(400)
    one, other = (Clusters.fit(features, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.means, other.means)


def test_state_survives_json_and_arrays() -> None:
    features, _ = blobs()
    model = Clusters.fit(features)
    arrays, metadata = model.state()
    again = Clusters.load((arrays, json.loads(json.dumps(metadata))))
    np.testing.assert_array_equal(again.posteriors(features), model.posteriors(features))
    assert again.criteria() == model.criteria() == json.loads(json.dumps(model.criteria()))
    with pytest.raises(ValueError, match="features: this version reads"):
        Clusters.load((arrays, metadata | {"features": ["x"]}))


def test_names_are_distinct_and_say_nothing_where_nothing_stands_out() -> None:
    means = np.zeros((4, len(FEATURES)))
    means[1:, FEATURES.index("recency_days")] = 2.0
    means[3, FEATURES.index("weekend_share")] = -1.0
    assert names_of(means) == (TYPICAL, "lapsed", "lapsed_3", "lapsed_weekday")


def test_low_shares_of_a_time_of_day_are_listed_but_not_named() -> None:
    mean = np.zeros(len(FEATURES))
    mean[FEATURES.index("evening_share")] = -1.0
    assert distinctive(mean) == {"evening_share": -1.0}
    assert names_of(mean[None, :]) == (TYPICAL,)
