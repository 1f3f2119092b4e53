"""The product space: fitted on the population, transforms rows independently, survives anything unknown."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from services.product.embedding import EmbeddingSpace, ProductFeatures
from services.product.feature_encoders import CategoricalEncoder, NumericEncoder, TextEncoder, terms_of

MILK = ProductFeatures("Whole milk 1 l", "fresh milk", "dairy", "milk", "Alpha", ("organic",), 129, 4.5)
SKIMMED = ProductFeatures("Skimmed milk 1 l", "fresh milk", "dairy", "milk", "Beta", (), 119, 4.1)
YOGHURT = ProductFeatures("Plain yoghurt", "fresh yoghurt", "dairy", "yoghurt", "Alpha", (), 99, 4.0)
HAMMER = ProductFeatures("Claw hammer", "steel head", "tools", "hammers", "Gamma", (), 1999, 3.9)
NAILS = ProductFeatures("Nails", "steel, 100 pieces", "tools", "nails", "Gamma", (), 499, None)
POPULATION = (MILK, SKIMMED, YOGHURT, HAMMER, NAILS)

words = st.text(st.sampled_from("ab é1"), max_size=12)
products = st.builds(
    ProductFeatures,
    name=words,
    description=words,
    category=st.sampled_from(["", "dairy", "tools"]),
    subcategory=st.sampled_from(["", "milk", "nails"]),
    brand=st.sampled_from(["", "Alpha", "Beta"]),
    tags=st.lists(words, max_size=2).map(tuple),
    price_minor=st.none() | st.integers(0, 10**9),
    rating=st.none() | st.floats(0, 5),
)


def cosine(space: EmbeddingSpace, one: ProductFeatures, other: ProductFeatures) -> float:
    first, second = space.transform([one, other])
    return float(first @ second)


def test_likeness_follows_the_kind_of_product() -> None:
    space = EmbeddingSpace.fit(POPULATION)
    assert cosine(space, MILK, SKIMMED) > cosine(space, MILK, YOGHURT) > cosine(space, MILK, HAMMER)
    assert cosine(space, HAMMER, NAILS) > cosine(space, HAMMER, YOGHURT)


def test_a_single_product_is_not_scaled_with_itself() -> None:
    space = EmbeddingSpace.fit(POPULATION)
    alone = space.transform([MILK])
    assert np.linalg.norm(alone) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(alone[0], space.transform(POPULATION)[0])


def test_price_orders_products_that_are_otherwise_alike() -> None:
    lamps = [ProductFeatures("Lamp", category="lamps", price_minor=price) for price in (1000, 1100, 9000)]
    space = EmbeddingSpace.fit([*lamps, *POPULATION])
    assert cosine(space, lamps[0], lamps[1]) > cosine(space, lamps[0], lamps[2])


def test_missing_numbers_are_the_population_mean() -> None:
    block = NumericEncoder.fit(np.array([1.0, 3.0, np.nan]))
    np.testing.assert_allclose(block.transform(np.array([np.nan, 2.0, 3.0])).toarray().ravel(), [0.0, 0.0, 1 / 3])
    constant = NumericEncoder.fit(np.array([5.0, 5.0]))
    assert not constant.transform(np.array([900.0])).toarray().any()
    assert NumericEncoder.fit(np.array([np.nan])) == NumericEncoder(0.0, 0.0)


def test_outliers_are_cut() -> None:
    block = NumericEncoder(mean=0.0, deviation=1.0)
    assert block.transform(np.array([1e12, -1e12])).toarray().ravel().tolist() == [1.0, -1.0]


def test_common_values_weigh_less_than_rare_ones() -> None:
    block = CategoricalEncoder.fit(["own"] * 9 + ["rare"])
    own, rare, unknown = block.transform(["own", "rare", "new"]).toarray().max(axis=1)
    assert 0 < own < rare == 1.0
    assert unknown == 0


def test_text_rows_have_length_one_and_bounded_terms() -> None:
    block = TextEncoder.fit([product.text for product in POPULATION], max_terms=6)
    rows = block.transform(["fresh milk", "nothing known here"]).toarray()
    assert len(block.terms) == 6
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1.0, 0.0], atol=1e-6)


def test_text_without_a_word_has_no_columns() -> None:
    assert TextEncoder.fit(["", "?"], max_terms=5).transform(["word"]).shape == (1, 0)


def test_a_product_of_which_nothing_is_known_is_zero() -> None:
    space = EmbeddingSpace.fit(POPULATION)
    strange = ProductFeatures("zzz qqq", category="unheard", brand="of")
    assert not space.transform([strange, ProductFeatures()]).any()


@pytest.mark.parametrize("population", [[MILK], [ProductFeatures()], [MILK, MILK], list(POPULATION)])
def test_few_products_fill_the_remaining_columns_with_zeros(population: list[ProductFeatures]) -> None:
    vectors = EmbeddingSpace.fit(population, dimensions=64).transform(population)
    assert vectors.shape == (len(population), 64)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_no_products_transform_to_no_rows() -> None:
    assert EmbeddingSpace.fit(POPULATION, dimensions=3).transform([]).shape == (0, 3)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="products"):
        EmbeddingSpace.fit([])
    with pytest.raises(ValueError, match="dimensions: must be positive, got 0"):
        EmbeddingSpace.fit(POPULATION, dimensions=0)


def test_state_survives_json_and_arrays() -> None:
    space = EmbeddingSpace.fit(POPULATION, dimensions=8)
    arrays, metadata = space.state()
    assert all(array.dtype != object for array in arrays.values())
    again = EmbeddingSpace.load((arrays, json.loads(json.dumps(metadata))))
    np.testing.assert_array_equal(again.transform(POPULATION), space.transform(POPULATION))
    assert again.dimensions == 8


def test_another_format_is_refused() -> None:
    arrays, metadata = EmbeddingSpace.fit(POPULATION).state()
    with pytest.raises(ValueError, match="format: this version reads 1, got 99"):
        EmbeddingSpace.load((arrays, metadata | {"format": 99}))


def test_the_same_seed_gives_the_same_space() -> None:
    one, other = (EmbeddingSpace.fit(POPULATION, dimensions=4, seed=3).components for _ in range(2))
    np.testing.assert_array_equal(one, other)


@settings(max_examples=40, deadline=None)
@given(population=st.lists(products, min_size=1, max_size=8), fresh=st.lists(products, max_size=4))
def test_rows_are_unit_or_zero_and_independent_of_the_batch(
    population: Sequence[ProductFeatures], fresh: Sequence[ProductFeatures]
) -> None:
    space = EmbeddingSpace.fit(population, dimensions=5)
    batch = [*population, *fresh]
    vectors = space.transform(batch)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all((lengths == 0) | (np.abs(lengths - 1) < 1e-5))
    singles = np.concatenate([space.transform([product]) for product in batch])
    np.testing.assert_allclose(singles, vectors, atol=1e-6)


@given(st.text(max_size=40))
def test_a_text_has_the_terms_that_the_vocabulary_was_learned_from(text: str) -> None:
    assert terms_of(text) == CountVectorizer(ngram_range=(1, 2)).build_analyzer()(text)


def test_terms_are_counted_as_the_vocabulary_was() -> None:
    texts = ["milk milk fresh milk", "", "nails unknown", "fresh milk"]
    encoder = TextEncoder.fit(texts, max_terms=10)
    counted = CountVectorizer(ngram_range=(1, 2), vocabulary=encoder.terms).transform(texts).toarray()
    np.testing.assert_array_equal(encoder._counts(texts).toarray(), counted)
