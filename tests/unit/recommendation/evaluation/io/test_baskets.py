"""What belongs together: by ids, else by time, else by order."""

import numpy as np
import pyarrow as pa
import pytest

from services.recommendation.algorithms.base import Kind
from services.recommendation.evaluation.io.baskets import SILENCE, baskets_of
from services.recommendation.evaluation.io.files import Events

SECOND = 1_000_000


def events(kinds: str, **more: object) -> Events:
    """Events of kinds `v` and `p`."""
    n = len(kinds)
    facts = {
        "customers": pa.chunked_array([["?"] * n]),
        "products": pa.chunked_array([["?"] * n]),
        "kinds": np.array([Kind.VIEW if kind == "v" else Kind.PURCHASE for kind in kinds], np.int8),
        "quantities": np.ones(n, np.float32),
        "times": None,
        "order": None,
        "sessions": None,
        "orders": None,
        "left_out": 0,
    }
    return Events(**{**facts, **more})  # type: ignore[arg-type]


def groups(of: Events, customers: list[int] | None = None, *, by_session: bool = False) -> str:
    """Name the basket of each event: `aab` are two of one basket and one of another."""
    rows = np.array(customers or [0] * len(of), np.int32)
    numbers = baskets_of(of, rows, by_session=by_session).tolist()
    names = {number: chr(ord("a") + place) for place, number in enumerate(dict.fromkeys(numbers))}
    return "".join(names[number] for number in numbers)


def ids(text: str) -> pa.ChunkedArray:
    """Ids of one letter each, `.` for none."""
    return pa.chunked_array([[None if letter == "." else letter for letter in text]], pa.string())


def at(*seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return (np.array(seconds) * SECOND).astype(np.int64)


@pytest.mark.parametrize(
    ("kinds", "more", "expected"),
    [
        ("ppp", {"orders": ids("xyx")}, "aba"),
        ("ppp", {"sessions": ids("xyx")}, "aba"),
        ("pppp", {"orders": ids("xx.."), "sessions": ids("rsss")}, "aabb"),
        ("vpv", {"orders": ids("xxx"), "sessions": ids("sss")}, "aba"),
        ("ppp", {"times": at(1, 1, 2)}, "aab"),
        ("ppp", {"times": at(1, 1, 2), "orders": ids("x..")}, "abc"),
        ("vvv", {"times": at(0, 1800, 3601)}, "aab"),
        ("vvv", {"times": at(3601, 0, 1800)}, "abb"),
        ("vvv", {"times": at(0, 0, 0), "sessions": ids("x.x")}, "aba"),
        ("pvp", {}, "aba"),
        ("ppp", {}, "aaa"),
        ("ppp", {"order": np.array([3.0, 1.0, 2.0])}, "aaa"),
        ("ppp", {"order": np.array([2.0, 1.0, 2.0])}, "aba"),
    ],
)
def test_baskets(kinds: str, more: dict[str, object], expected: str) -> None:
    assert groups(events(kinds, **more)) == expected


def test_sessions_hold_purchases_too_where_they_are_asked_for() -> None:
    shop = events("vpv", orders=ids(".x."), sessions=ids("sst"))
    assert groups(shop) == "abc"
    assert groups(shop, by_session=True) == "aab"


def test_silence_ends_sessions_of_purchases_too_where_they_are_asked_for() -> None:
    assert groups(events("vpp", times=at(0, 60, 60 + 1801)), by_session=True) == "aab"
    assert SILENCE == 1800 * SECOND


def test_a_basket_is_of_one_customer() -> None:
    for more in ({"orders": ids("xx")}, {"times": at(5, 5)}, {}):
        assert groups(events("pp", **more), [0, 1]) == "ab"


def test_nothing() -> None:
    assert groups(events("")) == ""
