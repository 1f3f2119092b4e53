"""What a list adds: counts by algorithm and of all, money, products, and how different the shown products are."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.feedback.metrics.contribution import contribution, mean_distance, shown_products
from shared.db.list_facts import CreditedAmount, ListBase, ListDimensions, ListFact, Response
from shared.db.product_embeddings import EmbeddingMatrix
from shared.metric_numbers import MetricNumbers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EMBEDDINGS = EmbeddingMatrix(np.array([1, 2, 3]), np.array([[1, 0], [0, 2], [-3, 0]], dtype=np.float32))


def response(product: int, algorithm: str, *marks: str, **more: Any) -> Response:
    names = ("shown", "clicked", "added_to_cart", "purchased", "dismissed")
    return Response(product, algorithm, *(name in marks for name in names), **more)


def base(*responses: Response) -> ListBase:
    return ListBase(7, 1, "HOME", "", "m", NOW, {"ease": 3, "content": 2}, {}, list(responses))


def test_a_list_that_nobody_saw_is_generated_only() -> None:
    numbers = contribution(base(), EMBEDDINGS)
    assert {name: each.counts["generated"] for name, each in numbers.items()} == {"": 5, "ease": 3, "content": 2}
    assert {each.counts["shown"] for each in numbers.values()} == {0}


def test_responses_count_for_their_algorithm_and_for_all() -> None:
    numbers = contribution(
        base(
            response(1, "ease", "shown", "clicked", "purchased", credits=[CreditedAmount("EUR", 500, 500, 200)]),
            response(2, "ease", "shown", after_view=True),
            response(3, "content", "shown", "dismissed", refunded=True),
        ),
        EMBEDDINGS,
    )
    assert numbers[""].products == {1: (1, 1), 2: (1, 0), 3: (1, 0)}
    assert numbers["ease"].amounts == numbers[""].amounts == {"EUR": (500, 500, 200)}
    said = ("shown", "clicked", "purchased", "purchased_after_view", "dismissed", "refunded", "diverse_lists")
    assert [numbers[""].counts[name] for name in said] == [3, 1, 1, 1, 1, 1, 1]
    # 1-2 and 2-3 are at right angles, 1-3 opposite.
    assert numbers[""].counts["diversity"] == round(1e6 * 4 / 3)
    assert numbers["ease"].counts["diversity"] == 1_000_000
    assert "diverse_lists" not in numbers["content"].counts


def test_diversity_stays_as_it_was_measured_while_the_same_is_shown() -> None:
    seen = base(response(1, "ease", "shown"), response(2, "ease", "shown"))
    before = ListFact(7, 1, NOW, ListDimensions("", "HOME", "", "", "m"), contribution(seen, EMBEDDINGS))
    turned = EmbeddingMatrix(np.array([1, 2, 3]), np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32))
    assert contribution(seen, turned, before)[""].counts["diversity"] == 1_000_000
    more = base(*seen.responses, response(3, "ease", "shown"))
    assert contribution(more, turned, before)[""].counts["diversity"] == round(1e6 * 2 / 3)


def test_only_what_was_shown_needs_an_embedding() -> None:
    assert shown_products([base(response(1, "ease", "shown"), response(2, "ease"))]) == {1}


@pytest.mark.parametrize("rows", [[], [[1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
def test_fewer_than_two_directions_have_no_distance(rows: list[list[float]]) -> None:
    assert mean_distance(np.array(rows, dtype=np.float32).reshape(-1, 2)) is None


@given(arrays(np.float32, st.tuples(st.integers(2, 8), st.just(4)), elements=st.floats(0.125, 8, width=32)))
def test_the_mean_distance_is_that_of_all_pairs(vectors: np.ndarray) -> None:
    units = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    pairs = [1 - units[i] @ units[j] for i in range(len(units)) for j in range(i)]
    assert mean_distance(vectors) == pytest.approx(np.mean(pairs), abs=1e-6)


NUMBERS = st.builds(
    MetricNumbers,
    st.dictionaries(st.sampled_from(["shown", "clicked"]), st.integers(1, 9)),
    st.dictionaries(st.sampled_from(["EUR", "USD"]), st.tuples(*[st.integers(-5, 5)] * 3)),
    st.dictionaries(st.integers(1, 5), st.tuples(st.integers(0, 3), st.integers(0, 3))),
)


@given(NUMBERS, NUMBERS)
def test_what_was_added_can_be_taken_off(one: MetricNumbers, other: MetricNumbers) -> None:
    total = MetricNumbers()
    total.add(one)
    total.add(other)
    total.add(one, -1)
    total.add(other, -1)
    assert not total
    assert MetricNumbers.from_json(one.to_json()) == one
