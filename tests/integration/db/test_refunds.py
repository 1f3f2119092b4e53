"""Whatever is refunded, in whatever steps: never more than was bought."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.db.refunds import BoughtLine, Order

LINES = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([0.5, 1.0, 2.0, 3.0, 7.25]), st.integers(0, 5_000)),
    min_size=1,
    max_size=5,
)
STEPS = st.lists(
    st.tuples(
        st.none() | st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0.25, 1.0, 2.0, 9.0])), max_size=3),
        st.none() | st.integers(0, 9_000),
    ),
    max_size=6,
)


def order(lines: list[tuple[int, float, int]], total: int | None = None) -> Order:
    bought = [BoughtLine(key, product, quantity, amount) for key, (product, quantity, amount) in enumerate(lines)]
    return Order(1, 1, "USD", sum(amount for _, _, amount in lines) if total is None else total, 0, bought)


@given(lines=LINES, steps=STEPS, total=st.none() | st.integers(0, 9_000))
def test_never_more_than_was_bought(
    lines: list[tuple[int, float, int]],
    steps: list[tuple[list[tuple[int, float]] | None, int | None]],
    total: int | None,
) -> None:
    made = order(lines, total)
    before = 0
    for items, amount in steps:
        made.give_back(items, amount)
        assert before <= made.refunded <= made.total
        before = made.refunded
        for line in made.lines:
            assert 0 <= line.refunded_quantity <= line.quantity
            assert 0 <= line.refunded_amount <= line.amount
        assert sum(line.refunded_amount for line in made.lines) <= max(made.refunded, 0)


@given(lines=LINES, first=st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0.25, 1.0, 2.0])), max_size=3))
def test_giving_back_the_rest_pays_all_of_it(
    lines: list[tuple[int, float, int]], first: list[tuple[int, float]]
) -> None:
    made = order(lines)
    made.give_back(first, None)
    made.give_back(None, None)
    assert made.refunded == made.total
    assert [line.refunded_amount for line in made.lines] == [line.amount for line in made.lines]


def test_shares_are_rounded_up_and_add_up() -> None:
    made = order([(1, 3.0, 1_000)])
    for expected in (334, 668, 1_000):
        made.give_back([(1, 1.0)], None)
        assert made.refunded == expected


@pytest.mark.parametrize(("amount", "parts"), [(300, [100, 200]), (1, [0, 1]), (600, [200, 400]), (650, [200, 400])])
def test_a_given_amount_is_split_like_the_shares(amount: int, parts: list[int]) -> None:
    made = order([(1, 1.0, 200), (2, 2.0, 400)], total=700)
    made.give_back(None, amount)
    assert made.refunded == amount
    assert [line.refunded_amount for line in made.lines] == parts
