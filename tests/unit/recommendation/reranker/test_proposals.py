import numpy as np
import pytest

from services.recommendation.reranker.candidates import Candidates

NOTHING = np.empty(0, np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_proposals_give_the_candidates_of_the_full_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # rounded, so that some scores tie
    dense = np.maximum(np.round(rng.normal(size=(4, 200)), 1), 0).astype(np.float32)
    dense[3] = 0
    expected = Candidates.of({str(i): row[None].copy() for i, row in enumerate(dense)}, [NOTHING], 15)
    found = Candidates.of_proposals(expected.products, dense[:, expected.products])
    assert found.n_shoppers == 1
    np.testing.assert_array_equal(found.owners, expected.owners)
    np.testing.assert_array_equal(found.score_columns, expected.score_columns)


def test_no_proposals_are_no_candidates() -> None:
    found = Candidates.of_proposals(np.empty(0, np.int64), np.empty((3, 0), np.float32))
    assert found.score_columns.shape == (6, 0)


@pytest.mark.parametrize("products", [[3, 3], [4, 1]])
def test_products_out_of_order_are_refused(products: list[int]) -> None:
    with pytest.raises(ValueError, match="products: must be distinct and ascending"):
        Candidates.of_proposals(np.array(products), np.ones((1, 2), np.float32))


def test_scores_of_other_products_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scores: shape \(2, 3\), expected \(n_algorithms, 2\)"):
        Candidates.of_proposals(np.array([1, 2]), np.ones((2, 3), np.float32))
