"""Features of candidates: by hand, alone and together, and against plain numpy."""

import numpy as np
import pytest

from services.recommendation.algorithms.interactions import DAY, Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.reranker import features, item_features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.features import NEVER
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures
from tests.contract.algorithms.synthetic_data import NOW, browsing, buyer, shop
from tests.unit.recommendation.reranker import plain

NONE = np.empty(0, np.int32)
ONE_ALGORITHM = ["one"]


def described(shopper: Shopper, product: int, n_products: int = 5) -> dict[str, float]:
    """Return the features of one product for one shopper, by name."""
    scores = np.zeros((1, n_products), np.float32)
    scores[0, product] = 1.0
    candidates = Candidates.of({"one": scores}, [NONE], 1)
    known = ItemFeatures(np.tile(np.array([0, 0, 0, 0, 0, 0, 0, 0, 10], np.float32), (n_products, 1)))
    row = features.table(candidates, ShopperHistories.of([shopper]), known, Kind.PURCHASE)[0]
    return dict(zip(features.names(ONE_ALGORITHM), row.tolist(), strict=True))


def test_there_is_a_name_for_every_column() -> None:
    assert len(described(buyer((0, 1.0)), 0)) == 2 + len(features.OWN) + len(features.SHOPPER) + len(
        item_features.NAMES
    )


def test_own_history_with_the_product() -> None:
    found = described(buyer((1, 20.0), (2, 12.0), (1, 10.0)), 1)
    assert found["own.purchases"] == 2
    assert found["own.last_step"] == 0
    assert found["own.last_age"] == pytest.approx(10)
    assert found["own.decayed_30"] == pytest.approx(2 ** (-20 / 30) + 2 ** (-10 / 30), rel=1e-5)
    assert found["own.interval"] == pytest.approx((10 + 10) / 2)  # own span of 10 days and the product's gap of 10
    assert found["own.due"] == pytest.approx(1.0)
    assert found["own.share"] == pytest.approx(2 / 3)


def test_a_product_never_met() -> None:
    found = described(buyer((1, 20.0)), 3)
    assert (found["own.last_step"], found["own.last_age"]) == (NEVER, NEVER)
    assert (found["own.purchases"], found["own.interval"], found["own.due"]) == (0, -1, -1)
    assert found["shopper.events"] == pytest.approx(np.log(2))


def test_somebody_nobody_knows() -> None:
    found = described(Shopper(NOW), 3)
    assert found["shopper.events"] == 0
    assert found["shopper.absence"] == NEVER


def test_the_session_counts_as_views_repeats_included() -> None:
    found = described(browsing(2, 3, 2), 2)
    assert (found["own.views"], found["own.last_step"]) == (2, 0)
    assert found["shopper.repeats"] == pytest.approx(3 / 2)


def test_the_product_in_view_is_the_last_step_and_counts_once() -> None:
    assert described(browsing(2, 3, current=3), 3)["own.views"] == 1
    assert described(browsing(3, 2, current=3), 3)["own.views"] == 2
    assert described(browsing(3, 2, current=3), 2)["own.last_step"] == 1


def test_lines_of_one_purchase_are_one_step() -> None:
    histories = ShopperHistories.of([buyer((0, 5.0), (1, 5.0), (2, 1.0))])
    assert histories.steps.tolist() == [1, 1, 0]


def test_shoppers_together_have_the_features_that_they_have_alone() -> None:
    shoppers = [buyer((1, 20.0), (2, 1.0)), browsing(0, 2), Shopper(NOW)]
    scores = np.ones((3, 5), np.float32)
    known = ItemFeatures.of(shop(n_products=5), Kind.PURCHASE, timed=True)
    together = features.table(
        Candidates.of({"one": scores}, [NONE] * 3, 5), ShopperHistories.of(shoppers), known, Kind.PURCHASE
    )
    alone = [
        features.table(Candidates.of({"one": scores[:1]}, [NONE], 5), ShopperHistories.of([each]), known, Kind.PURCHASE)
        for each in shoppers
    ]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-5)


def anybody(rng: np.random.Generator, n_products: int) -> Shopper:
    """Return a shopper with up to 80 events, some at the same second, a session, and perhaps a product in view."""
    n, n_session = int(rng.integers(0, 80)), int(rng.integers(0, 5))
    return Shopper(
        NOW,
        products=rng.integers(0, n_products, n).astype(np.int32),
        kinds=rng.integers(0, 3, n).astype(np.int8),
        times=np.sort(NOW - rng.integers(0, 200, n) * (DAY // 2)),
        session=rng.integers(0, n_products, n_session).astype(np.int32),
        current=int(rng.integers(0, n_products)) if rng.random() < 0.5 else None,
    )


@pytest.mark.parametrize("target", list(Kind))
@pytest.mark.parametrize("n_shoppers", [1, 20])
def test_the_kernel_gives_the_features_of_plain_numpy(target: Kind, n_shoppers: int) -> None:
    rng = np.random.default_rng([n_shoppers, int(target)])
    n_products = 60
    shoppers = [anybody(rng, n_products) for _ in range(n_shoppers)]
    scores = {name: rng.random((n_shoppers, n_products)).astype(np.float32) for name in ("one", "other")}
    everything = Candidates.of(scores, [NONE] * n_shoppers, 20)
    # some shoppers are left without a candidate
    candidates = everything.where((rng.random(len(everything.products)) < 0.5) & (everything.owners % 4 != 1))
    items = ItemFeatures(rng.random((n_products, len(item_features.NAMES))).astype(np.float32))
    found = features.table(candidates, ShopperHistories.of(shoppers), items, target)
    assert found.T.flags.c_contiguous
    expected = plain.table(candidates, plain.PlainHistories.of(shoppers), items, target)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_features_of_other_shoppers_are_refused() -> None:
    candidates = Candidates.of({"one": np.ones((2, 5), np.float32)}, [NONE] * 2, 5)
    items = ItemFeatures.of(shop(n_products=5), Kind.PURCHASE, timed=True)
    with pytest.raises(ValueError, match="histories: of 1 shoppers, the candidates are of 2"):
        features.table(candidates, ShopperHistories.of([Shopper(NOW)]), items, Kind.PURCHASE)


def test_candidates_without_item_features_are_refused() -> None:
    candidates = Candidates.of({"one": np.ones((1, 6), np.float32)}, [NONE], 6)
    items = ItemFeatures.of(shop(n_products=5), Kind.PURCHASE, timed=True)
    with pytest.raises(ValueError, match="candidates: rows must be from 0 to 4, got 5"):
        features.table(candidates, ShopperHistories.of([Shopper(NOW)]), items, Kind.PURCHASE)


def test_item_features_of_products() -> None:
    data = Interactions.of(
        [0, 0, 1, 0, 1],
        [0, 0, 0, 1, 1],
        kinds=[Kind.PURCHASE, Kind.PURCHASE, Kind.PURCHASE, Kind.VIEW, Kind.VIEW],
        times=[NOW - 100 * DAY, NOW - 80 * DAY, NOW - DAY, NOW - DAY, NOW],
        n_customers=2,
        n_products=3,
        now=NOW,
    )
    known = ItemFeatures.of(data, Kind.PURCHASE, timed=True)
    first = dict(zip(item_features.NAMES, known.values[0].tolist(), strict=True))
    assert first["popularity"] == pytest.approx(np.log(4))
    assert first["conversion"] == pytest.approx(4 / 10)
    assert first["recent"] == pytest.approx(np.log(2))
    assert first["age"] == pytest.approx(100)
    assert first["repeaters"] == pytest.approx((1 + 5 * 0.5) / (2 + 5))
    assert first["repeats"] == pytest.approx(4 / 3)
    assert first["gap"] == pytest.approx(20, rel=1e-3)
    assert known.values[2, item_features.NAMES.index("popularity")] == 0


def test_without_times_nothing_is_recent() -> None:
    known = ItemFeatures.of(shop(), Kind.PURCHASE, timed=False)
    of_time = [item_features.NAMES.index(name) for name in ("recent", "latest", "trend", "age")]
    assert not known.values[:, of_time].any()
    assert len(set(known.gap.tolist())) == 1
