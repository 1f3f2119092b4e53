"""Events check their columns and can be cut."""

import pytest

from services.customer.events import Events, Kind


def test_numbers_fill_whole_columns() -> None:
    events = Events.of([1, 2], [5, 6], [Kind.VIEW, Kind.PURCHASE], amounts=[0, 250])
    assert events.quantities.tolist() == [1.0, 1.0]
    assert len(events) == 2
    assert events.purchases.products.tolist() == [6]
    assert events.purchases.amounts.tolist() == [250]


def test_columns_of_another_length_are_named() -> None:
    with pytest.raises(ValueError, match="amounts: must have 2 entries, got 1"):
        Events.of([1, 2], [5, 6], [0, 0], amounts=[1])


@pytest.mark.parametrize("kind", [-1, 3])
def test_unknown_kinds_are_refused(kind: int) -> None:
    with pytest.raises(ValueError, match="kinds: must be from 0 to 2"):
        Events.of([1], [5], [kind])
