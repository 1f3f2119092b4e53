"""What could stand in for something bought a moment ago steps back."""

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.fusion import fuse
from services.recommendation.catalogue import Catalogue
from services.recommendation.ranking import Ranked, without_needs_met
from tests.unit.recommendation.small import catalogue, entry

MILK, OTHER_MILK, CREAM, BREAD = range(4)
SCORES: FloatArray = np.array([4.0, 3.0, 2.0, 1.0], dtype=np.float32)


def shelf() -> Catalogue:
    """Two milks close to each other, a cream in the same category but far off, and bread that lies close to milk."""
    names = ("Dairy", "Dairy", "Dairy", "Bakery")
    plain = catalogue(*(entry(key, category=name) for key, name in enumerate(names, start=1)))
    vectors = np.array([[1, 0], [0.95, 0.312], [0, 1], [1, 0]], dtype=np.float32)
    return plain.with_embeddings("space", np.arange(1, 5), vectors)


def ranked() -> Ranked:
    scores = {"popular": SCORES}
    allowed = np.ones(4, dtype=bool)
    return Ranked(fuse(scores, {"popular": 1.0}), scores, allowed, ())


def test_substitutes_step_back_and_nothing_else_does() -> None:
    before = ranked()
    after = without_needs_met(before, shelf(), np.array([MILK], dtype=np.int32), keep=0.5)
    change = after.fused.scores / before.fused.scores
    assert np.allclose(change, [0.5, 0.5, 1.0, 1.0])
    assert np.allclose(before.fused.scores, ranked().fused.scores)


def test_without_a_purchase_or_a_penalty_nothing_changes() -> None:
    before = ranked()
    assert without_needs_met(before, shelf(), np.empty(0, dtype=np.int32), keep=0.5) is before
    assert without_needs_met(before, shelf(), np.array([MILK], dtype=np.int32), keep=1.0) is before
