"""Relations of the whole catalogue: the right products by key, strengths from 0 to 1, nothing that is gone."""

from datetime import UTC, datetime

import numpy as np
import pytest

from services.product import relate
from shared.db.product_embeddings import EmbeddingMatrix
from shared.db.products import Product
from shared.db.relations import BasketLines, RelationTable

SPRING = datetime(2026, 3, 1, tzinfo=UTC)
VECTORS = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], dtype=np.float32)
KEYS = np.array([10, 20, 30, 40])


def product(
    key: int, category: str = "", subcategory: str = "", status: str = "IN_STOCK", *, fit: bool = True
) -> Product:
    return Product(
        key=key,
        external_id=str(key),
        name="x",
        category=category,
        subcategory=subcategory,
        inventory_status=status,
        recommendable=fit,
        available_at=SPRING,
        updated_at=SPRING,
        change_sequence=1,
    )


def row(table: RelationTable, key: int) -> dict[int, float]:
    found = table.of(key)
    assert found is not None
    return dict(zip(found.keys.tolist(), found.scores.tolist(), strict=True))


def test_similar_products_are_told_by_key_strongest_first() -> None:
    table = relate.similar([product(key) for key in KEYS.tolist()], EmbeddingMatrix(KEYS, VECTORS))
    assert list(row(table, 10)) == [20, 30]
    assert row(table, 10) == pytest.approx({20: 0.8 / 1.1, 30: 0.6 / 1.1})


def test_one_category_counts_in_favour_and_the_strength_ends_at_one() -> None:
    same = [product(10, "Tea"), product(20), product(30, "Tea"), product(40)]
    table = relate.similar(same, EmbeddingMatrix(KEYS, VECTORS[[0, 0, 0, 3]]))
    assert row(table, 10) == pytest.approx({30: 1.0, 20: 1.0 / 1.1})
    assert max(table.scores) <= 1.0


def test_products_without_embedding_and_embeddings_without_product_have_none() -> None:
    table = relate.similar([product(10), product(15), product(20)], EmbeddingMatrix(KEYS, VECTORS))
    assert list(row(table, 10)) == [20]
    assert row(table, 15) == {}
    assert table.of(30) is None


def test_what_is_gone_is_related_to_nothing_but_has_substitutes() -> None:
    gone = [product(10, status="DISCONTINUED"), product(20), product(30, status="OUT_OF_STOCK"), product(40)]
    table = relate.similar(gone, EmbeddingMatrix(KEYS, VECTORS))
    assert list(row(table, 10)) == [20, 30]
    assert list(row(table, 20)) == [30, 40]


def test_what_is_not_recommendable_is_related_to_nothing() -> None:
    table = relate.similar([product(10, fit=False), *map(product, (20, 30, 40))], EmbeddingMatrix(KEYS, VECTORS))
    assert 10 not in row(table, 20)


def test_products_of_one_basket_are_complementary() -> None:
    baskets = [(10, 20)] * 20 + [(30, 40)] * 20 + [(99, 98)] * 200
    lines = np.array([(number, key) for number, pair in enumerate(baskets) for key in pair])
    table = relate.complementary([product(key) for key in KEYS.tolist()], BasketLines(lines[:, 0] + 2**40, lines[:, 1]))
    assert list(row(table, 10)) == [20]
    assert list(row(table, 40)) == [30]
    assert 0 < min(table.scores) <= max(table.scores) <= 1


def test_without_orders_nothing_is_complementary() -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert row(relate.complementary([product(10)], BasketLines(nothing, nothing)), 10) == {}


def test_only_rows_that_differ_are_changed() -> None:
    products = [product(key) for key in KEYS.tolist()]
    before = relate.similar(products[:3], EmbeddingMatrix(KEYS[:3], VECTORS[[0, 1, 3]]))
    after = relate.similar(products, EmbeddingMatrix(KEYS, VECTORS[[0, 1, 3, 0]]))
    assert relate.changed_rows(before, before) == []
    assert [key for key, _ in relate.changed_rows(before, after)] == [10, 20, 40]
