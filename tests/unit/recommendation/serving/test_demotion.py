"""What a shopper needs least now steps back: substitutes of what was just bought, and what was just looked at."""

import numpy as np
import pytest

from services.recommendation.algorithms.arrays import FloatArray, Rows
from services.recommendation.algorithms.base import Reason, ReasonKind
from services.recommendation.algorithms.fusion import fuse
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.algorithms.shopper_scores import OrderedScores, ShopperScores
from services.recommendation.models.groups import GroupCodes
from services.recommendation.serving import ranking
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.explain import explained
from services.recommendation.serving.page_policy import PagePolicy
from services.recommendation.serving.proposals import Proposals
from services.recommendation.serving.ranking import Ranked, demote
from services.recommendation.serving.retrieval import ShopperViews
from tests.unit.recommendation.small import catalogue, entry

MILK, OTHER_MILK, CREAM, BREAD = range(4)
SCORES: FloatArray = np.array([4.0, 3.0, 2.0, 1.0], dtype=np.float32)
POLICY = PagePolicy("test", substitutes=0.5, seen=0.25)


def shelf(*names: str) -> Catalogue:
    """Two milks close to each other, a cream in the same category but far off, and bread that lies close to milk."""
    categories = ("Dairy", "Dairy", "Dairy", "Bakery")
    called = names or ("Milk", "Other milk", "Cream", "Bread")
    entries = (entry(key, category=categories[key - 1], name=called[key - 1]) for key in range(1, 5))
    vectors = np.array([[1, 0], [0.95, 0.312], [0, 1], [1, 0]], dtype=np.float32)
    return catalogue(*entries).with_embeddings("space", np.arange(1, 5), vectors)


def ranked() -> Ranked:
    everything = np.ones(4, dtype=bool)
    proposals = Proposals(rows(0, 1, 2, 3), ("popular",), SCORES[None, :], everything[None, :])
    return Ranked(fuse({"popular": SCORES}, {"popular": 1.0}), proposals, everything, ())


def rows(*numbers: int) -> Rows:
    return np.array(numbers, dtype=np.int32)


@pytest.mark.parametrize(
    ("bought", "seen", "kept"),
    [
        (rows(MILK), rows(), [0.5, 0.5, 1.0, 1.0]),
        (rows(), rows(BREAD), [1.0, 1.0, 1.0, 0.25]),
        (rows(MILK), rows(OTHER_MILK), [0.5, 0.125, 1.0, 1.0]),
        (rows(), rows(), [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_what_is_needed_least_steps_back(bought: Rows, seen: Rows, kept: list[float]) -> None:
    before = ranked()
    after = demote(before, shelf(), POLICY, bought, seen)
    assert np.allclose(after.fused.scores / before.fused.scores, kept)
    for row in range(4):
        assert sum(after.contributions(row).values()) == pytest.approx(after.score(row))
    assert np.allclose(before.fused.scores, ranked().fused.scores)


def test_a_name_is_not_shown_twice_while_there_are_others() -> None:
    twice = shelf("Milk", "Milk", "Cream", "Bread")
    assert ranking.diversify(ranked(), twice, PagePolicy("test", trade_off=1.0), limit=4).tolist() == [
        MILK,
        CREAM,
        BREAD,
        OTHER_MILK,
    ]


class Because:
    """A scorer that gives its reason."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        return OrderedScores.of(SCORES)

    def explain(self, views: ShopperViews, row: int) -> Reason:
        return self.reason


@pytest.mark.parametrize(
    ("reason", "expected", "text"),
    [
        (
            Reason(ReasonKind.FITS_YOUR_TASTE, (MILK, CREAM)),
            Reason(ReasonKind.FITS_YOUR_TASTE, (CREAM,)),
            "Fits your taste, like Cream",
        ),
        (
            Reason(ReasonKind.FITS_YOUR_TASTE, (MILK,)),
            Reason(ReasonKind.BECAUSE_YOU_VIEWED, (MILK,)),
            "You looked at it a moment ago",
        ),
        (
            Reason(ReasonKind.BUY_AGAIN, (MILK,)),
            Reason(ReasonKind.BUY_AGAIN, (MILK,)),
            "You bought it before, it may be time for more",
        ),
    ],
)
def test_a_product_is_not_its_own_reason(reason: Reason, expected: Reason, text: str) -> None:
    views = ShopperViews(Shopper(0), 4, 0)
    found = ranking.explain(ranked().contributions(MILK), {"popular": Because(reason)}, views, MILK)
    assert found == expected
    assert explained(found, shelf(), GroupCodes({}), row=MILK).text == text
