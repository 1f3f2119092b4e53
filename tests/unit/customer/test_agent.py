"""What the customer agent computes without a database: rows, labels, the segment model as bytes."""

import numpy as np
import pytest

from services.customer.customer_history import catalogue_of
from services.customer.embedder import embed, rows_of
from services.customer.events import Events, Kind
from services.customer.segmentation import LEAST_EVENTS, Facts, Population, SegmentModel, aligned
from shared.db.interactions import InteractionRows
from shared.db.product_embeddings import EmbeddingMatrix
from shared.db.profiles import Labels
from shared.errors import DataLoss

NOW = 1_750_000_000
DAY = 86_400
CATALOGUE = catalogue_of([Labels("p1", "tea", "x"), Labels("p2", "", "y"), Labels("p3", "coffee", "")])


def population(customers: int = 60) -> Population:
    rng = np.random.default_rng(5)
    owners = np.sort(rng.integers(0, customers, 900)).astype(np.int32)
    events = Events.of(
        times=NOW - rng.integers(0, 200 * DAY, 900),
        products=rng.integers(0, 3, 900),
        kinds=Kind.PURCHASE,
        amounts=rng.integers(100, 9_000, 900),
        baskets=np.arange(900),
    )
    return Population(owners, events, customers, CATALOGUE)


def test_labels_are_coded_and_unknown_ones_are_none() -> None:
    assert CATALOGUE.categories.names == ["coffee", "tea"]
    assert CATALOGUE.categories.codes.tolist() == [1, -1, 0]
    assert CATALOGUE.brands.codes.tolist() == [0, 1, -1]
    assert aligned({"tea": 0.25, "milk": 0.5}, CATALOGUE.categories).tolist() == [0.0, 0.25]


def test_rows_of_unknown_keys_are_negative() -> None:
    known = np.array([3, 7, 9])
    assert rows_of(np.array([9, 4, 3, 100]), known).tolist() == [2, -1, 0, -1]
    assert rows_of(np.array([9]), known[:0]).tolist() == [-1]


def test_a_model_is_the_same_after_a_trip_through_bytes() -> None:
    people = population()
    model = SegmentModel.fit(people, NOW)
    again = SegmentModel.load(model.dump())
    assert again.segments() == model.segments()
    assert again.memberships(people, NOW) == model.memberships(people, NOW)
    assert again.categories == pytest.approx({"tea": model.categories["tea"], "coffee": model.categories["coffee"]})
    assert sum(model.brands.values()) == pytest.approx(1.0)


def test_everybody_is_in_one_segment_of_each_kind() -> None:
    people = population()
    model = SegmentModel.fit(people, NOW)
    kind = {segment.name: segment.kind for segment in model.segments()}
    counts = np.bincount(people.customers, minlength=people.n_customers)
    assert min(counts) < LEAST_EVENTS <= max(counts)
    for found, count in zip(model.memberships(people, NOW), counts, strict=True):
        expected = ["learned", "rfm"] if count >= LEAST_EVENTS else ["rfm"]
        assert sorted(kind[name] for name, _ in found) == expected
        assert all(0.0 <= confidence <= 1.0 for _, confidence in found)


def test_a_model_fitted_on_parts_of_the_customers_is_that_of_all() -> None:
    people = population()
    whole = SegmentModel.fit(people, NOW)
    parts = []
    for begin, end in ((0, 20), (20, 21), (21, 60)):
        chosen = (people.customers >= begin) & (people.customers < end)
        part = Population(people.customers[chosen] - begin, people.events.select(chosen), end - begin, CATALOGUE)
        parts.append(Facts.of(part, NOW))
    fitted = SegmentModel.fit_on(Facts.joined(parts), CATALOGUE)
    assert fitted.segments() == whole.segments()
    assert fitted.categories == pytest.approx(whole.categories)
    assert [each for part in parts for each in fitted.memberships_of(part)] == whole.memberships(people, NOW)


def test_a_model_learns_nothing_from_customers_who_deny_it_but_puts_them_into_segments() -> None:
    people = population()
    denied = np.arange(people.n_customers) % 3 == 0
    others = ~denied[people.customers]
    expected = SegmentModel.fit(
        Population(people.customers[others], people.events.select(others), people.n_customers, CATALOGUE), NOW
    )
    facts = Facts.of(people, NOW, denied)
    fitted = SegmentModel.fit_on(facts, CATALOGUE, denied)
    assert fitted.dump() == expected.dump()
    assert fitted.memberships_of(facts) == expected.memberships(people, NOW)


def test_one_customer_alone_is_where_the_population_puts_them() -> None:
    people = population()
    model = SegmentModel.fit(people, NOW)
    seven = people.events.select(people.customers == 7)
    alone = {each.segment.name: each.confidence for each in model.segments_of(seven, CATALOGUE, NOW)}
    assert alone == pytest.approx(dict(model.memberships(people, NOW)[7]))


def test_a_population_without_events_has_no_segments() -> None:
    nobody = Population(np.zeros(0, dtype=np.int32), Events.of([], [], []), 3, CATALOGUE)
    model = SegmentModel.load(SegmentModel.fit(nobody, NOW).dump())
    assert model.segments() == []
    assert model.memberships(nobody, NOW) == [[], [], []]


def test_damaged_bytes_are_data_loss() -> None:
    with pytest.raises(DataLoss):
        SegmentModel.load(b"rubbish")


def test_embeddings_are_of_the_customers_asked_for() -> None:
    found = InteractionRows(
        customers=np.array([4, 4, 9]),
        products=np.array([11, 99, 12]),
        kinds=np.array([0, 2, 1], dtype=np.int8),
        quantities=np.ones(3, dtype=np.float32),
        amounts=np.zeros(3, dtype=np.int64),
        times=np.array([NOW, NOW, NOW]),
        sessions=np.ones(3, dtype=np.int64),
        purchases=np.array([0, 1, 0]),
        durations=np.zeros(3, dtype=np.float32),
    )
    products = EmbeddingMatrix(np.array([11, 12]), np.array([[1, 0], [0, 1]], dtype=np.float32))
    vectors = embed(found, np.array([4, 6, 9]), products)
    assert vectors.tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
