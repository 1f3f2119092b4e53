import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, ReasonKind, Shopper
from services.recommendation.algorithms.content import Content, unit_rows
from tests.contract.algorithms.synthetic_data import NOW, browsing, buyer

EMBEDDINGS = np.array([[2, 0], [0, 3], [1, 1], [-1, 0], [0, 0]], dtype=np.float32)


@pytest.fixture(scope="module")
def content() -> Content:
    return Content().fit(Interactions.of(n_customers=0, n_products=5, now=NOW, embeddings=EMBEDDINGS))


def test_score_is_the_cosine_to_the_profile(content):
    np.testing.assert_allclose(content.score(browsing(0)), [1.0, 0.0, np.sqrt(0.5), 0.0, 0.0], atol=1e-6)


def test_recent_products_pull_the_profile(content):
    scores = content.score(buyer((0, 300), (1, 1)))
    assert scores[1] > 0.99
    assert scores[0] < 0.1


def test_this_session_counts_more_than_the_history(content):
    history = buyer((0, 0))
    fresh = Shopper(**{**vars(history), "session": np.array([1], np.int32)})
    assert content.score(fresh)[1] > content.score(fresh)[0]


def test_products_without_embedding_say_nothing(content):
    assert not content.score(browsing(4)).any()
    assert content.explain(browsing(4), 0) is None


def test_opposites_cancel_out(content):
    assert not content.score(browsing(0, 3)).any()


def test_a_cold_product_is_scored_by_its_live_embedding(content):
    live = unit_rows(np.vstack([EMBEDDINGS, [[5, 0.1]]]))
    scores = content.score_with(live, browsing(0))
    assert scores.shape == (6,)
    assert scores[5] > 0.99
    assert content.explain_with(live, browsing(0), 5).products == (0,)


def test_reason_is_the_product_in_view_or_else_taste(content):
    assert content.explain(browsing(1, current=0), 0).kind is ReasonKind.SIMILAR_TO
    assert content.explain(browsing(0, 1), 2).kind is ReasonKind.FITS_YOUR_TASTE


def test_unit_rows_survive_bad_embeddings():
    unit = unit_rows(np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 1]]))
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [0, 0], [0, 0]], rtol=1e-6)
