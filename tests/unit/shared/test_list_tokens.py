"""A page token names what was shown, for the same shopper and list, for an hour; nobody else can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import list_tokens
from shared.errors import InvalidArgument
from shared.list_tokens import MOST_SHOWN, VALID_SECONDS, PagedList, next_token, shown_before
from shared.recommendation_tokens import Shopper, TokenKeys
from tests.support.tokens import KEYS

LIST = PagedList(Shopper("ann"), ("home", "HOME"))


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=MOST_SHOWN - 1, unique=True))
def test_a_token_names_what_was_shown_in_its_order(shown: list[int]) -> None:
    assert shown_before(KEYS, LIST, next_token(KEYS, LIST, shown)) == tuple(shown)


def test_the_first_page_and_the_last_have_no_token() -> None:
    assert shown_before(KEYS, LIST, "") == ()
    assert next_token(KEYS, LIST, []) == ""
    assert next_token(KEYS, LIST, range(MOST_SHOWN)) == ""


def test_a_token_is_short_enough_for_an_address() -> None:
    assert len(next_token(KEYS, LIST, range(1, 1_000_000, 2_005))) < 2_000


@pytest.mark.parametrize(
    "other", [PagedList(Shopper("bob"), LIST.parts), PagedList(Shopper(visitor_id="ann"), LIST.parts),
              PagedList(LIST.shopper, ("home", "CART"))]
)  # fmt: skip
def test_a_token_is_of_one_list_and_shopper(other: PagedList) -> None:
    with pytest.raises(InvalidArgument, match="another shopper, placement, context or filter"):
        shown_before(KEYS, other, next_token(KEYS, LIST, [1]))


def test_a_token_is_valid_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(list_tokens.time, "time", lambda: now)
    token = next_token(KEYS, LIST, [1])
    monkeypatch.setattr(list_tokens.time, "time", lambda: now + VALID_SECONDS)
    assert shown_before(KEYS, LIST, token) == (1,)
    monkeypatch.setattr(list_tokens.time, "time", lambda: now + VALID_SECONDS + 1)
    with pytest.raises(InvalidArgument, match="too old"):
        shown_before(KEYS, LIST, token)


@pytest.mark.parametrize("change", ["", "x" * 5_000, "AAAA", "ä"])
def test_what_is_no_token_is_refused(change: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        shown_before(KEYS, LIST, change or KEYS.issue(1, Shopper("ann")), "requests[1].page_token")
    assert caught.value.violations[0].field == "requests[1].page_token"


@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    token = next_token(KEYS, LIST, list(range(100, 200)))
    place = data.draw(st.integers(0, len(token) - 1))
    changed = (
        token[:place] + data.draw(st.sampled_from("AZaz09-_").filter(lambda c: c != token[place])) + token[place + 1 :]
    )
    with pytest.raises(InvalidArgument, match="is no token of a page"):
        shown_before(KEYS, LIST, changed)


def test_a_token_of_other_keys_is_refused_and_an_old_key_of_the_ring_reads_it() -> None:
    others = TokenKeys([bytes([1] * 32)])
    with pytest.raises(InvalidArgument, match="is no token of a page"):
        shown_before(others, LIST, next_token(KEYS, LIST, [1]))
    ring = TokenKeys([bytes([1] * 32), bytes(32)])
    assert shown_before(ring, LIST, next_token(KEYS, LIST, [1])) == (1,)
