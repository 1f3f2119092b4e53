"""Recommendation ids as shops see them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import FailedPrecondition, InvalidArgument, NotFound
from shared.recommendation_tokens import (
    RecommendationNumbers,
    Shopper,
    TokenKeys,
    generate_key,
    list_number,
    numbers_in,
)

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
NUMBERS = st.integers(0, 2**63 - 1)
NAMES = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())


@given(NUMBERS, NAMES, st.booleans())
def test_a_token_names_its_recommendation(number: int, name: str, registered: bool) -> None:
    shopper = Shopper(customer_id=name) if registered else Shopper(visitor_id=name)
    keys = TokenKeys([OLD])
    assert keys.verify(keys.issue(number, shopper), shopper, "feedback.recommendation_id") == number


@given(st.integers(0, 2**56 - 1), st.integers(1, 127), NAMES)
def test_a_token_names_all_of_a_list(list_of: int, count: int, name: str) -> None:
    keys, shopper = TokenKeys([OLD]), Shopper(name)
    assert keys.verify_list(keys.issue_list(list_of, count, shopper), shopper, "f") == numbers_in(list_of, count)
    assert keys.issue_list(list_of, 0, shopper) == ""


def test_tokens_of_a_list_and_of_one_of_its_recommendations_are_not_taken_for_each_other() -> None:
    keys, shopper = TokenKeys([OLD]), Shopper("ann")
    with pytest.raises(NotFound, match="no recommendation"):
        keys.verify(keys.issue_list(1, 3, shopper), shopper, "field")
    with pytest.raises(NotFound, match="no recommendation"):
        keys.verify_list(keys.issue(numbers_in(1, 3)[0], shopper), shopper, "field")
    with pytest.raises(InvalidArgument, match="another shopper"):
        keys.verify_list(keys.issue_list(1, 3, shopper), Shopper("bob"), "field")


@given(NUMBERS, NAMES, st.integers(0, 32), st.integers(1, 255))
def test_a_changed_token_is_unknown(number: int, name: str, place: int, change: int) -> None:
    keys = TokenKeys([OLD])
    raw = bytearray(base64.urlsafe_b64decode(keys.issue(number, Shopper(name))))
    raw[place] ^= change
    with pytest.raises(NotFound, match="no recommendation"):
        keys.verify(base64.urlsafe_b64encode(raw).decode(), Shopper(name), "field")


@given(st.text(max_size=60))
def test_any_other_text_is_unknown(text: str) -> None:
    with pytest.raises(NotFound):
        TokenKeys([OLD]).verify(text, Shopper(), "field")


@given(NUMBERS, NAMES, NAMES, st.booleans())
def test_a_response_by_another_shopper_is_refused(number: int, one: str, other: str, registered: bool) -> None:
    name = "customer_id" if registered else "visitor_id"
    keys = TokenKeys([OLD])
    token = keys.issue(number, Shopper(**{name: one}))
    if one == other:
        assert keys.verify(token, Shopper(**{name: other}), "field") == number
    else:
        with pytest.raises(InvalidArgument, match="another shopper"):
            keys.verify(token, Shopper(**{name: other}), "field")


@pytest.mark.parametrize(
    "made_for", [Shopper(visitor_id="cookie"), Shopper(customer_id="ann"), Shopper("ann", "cookie")]
)
def test_a_shopper_of_another_kind_or_none_is_not_compared(made_for: Shopper) -> None:
    keys = TokenKeys([OLD])
    token = keys.issue(5, made_for)
    other_kind = Shopper(visitor_id="x") if made_for.customer_id else Shopper(customer_id="x")
    for shopper in (other_kind, Shopper(), made_for):
        assert keys.verify(token, shopper, "field") == 5


def test_who_names_both_is_compared_by_the_kind_that_the_list_was_for() -> None:
    keys = TokenKeys([OLD])
    for_ann, for_cookie = keys.issue(5, Shopper("ann", "cookie")), keys.issue(6, Shopper(visitor_id="cookie"))
    assert keys.verify(for_ann, Shopper("ann", "other"), "field") == 5
    assert keys.verify(for_cookie, Shopper("ann", "cookie"), "field") == 6
    for token, shopper in ((for_ann, Shopper("bob", "cookie")), (for_cookie, Shopper("ann", "other"))):
        with pytest.raises(InvalidArgument, match="another shopper") as caught:
            keys.verify(token, shopper, "field")
        assert caught.value.reason == ErrorReason.SHOPPER_MISMATCH


def test_old_keys_of_the_ring_verify_and_the_first_makes_tokens() -> None:
    before, during, after = TokenKeys([OLD]), TokenKeys([NEW, OLD]), TokenKeys([NEW])
    ann = Shopper("ann")
    old, new = before.issue(1, ann), during.issue(2, ann)
    assert during.verify(old, ann, "field") == 1
    assert after.verify(new, ann, "field") == 2
    with pytest.raises(NotFound):
        after.verify(old, ann, "field")


def test_tokens_of_one_list_have_nothing_in_common() -> None:
    keys = TokenKeys([OLD])
    tokens = [base64.urlsafe_b64decode(keys.issue(number, Shopper("ann"))) for number in range(1, 101)]
    for place in range(33):
        assert len({token[place] for token in tokens}) > 20


def test_keys_are_read_from_text_and_never_shown() -> None:
    ring = TokenKeys.from_text(f"{NEW.hex()}, {OLD.hex()}")
    assert ring.issue(1, Shopper("ann")) == TokenKeys([NEW]).issue(1, Shopper("ann"))
    for bad in ("", "secret", OLD.hex()[:-2]):
        with pytest.raises(InvalidArgument) as refused:
            TokenKeys.from_text(bad)
        assert not bad or bad not in str(refused.value)


def test_a_generated_key_is_new_each_time() -> None:
    assert generate_key() != generate_key()


def test_numbers_are_never_given_twice() -> None:
    one, other = RecommendationNumbers(1), RecommendationNumbers(2)
    lists = [source.take() for source in (one, other, one, other)]
    numbers = [number for each in lists for number in numbers_in(each, 100)]
    assert len(set(numbers)) == 400
    assert [list_number(number) for number in numbers[::100]] == lists
    last = numbers_in(RecommendationNumbers(2**24 - 1).take(), 127)
    assert all(0 < number < 2**63 for number in [*numbers, *last])


def test_numbers_are_bounded() -> None:
    with pytest.raises(InvalidArgument, match="count"):
        numbers_in(1, 128)
    for writer in (0, 2**24):
        with pytest.raises(FailedPrecondition, match="writer"):
            RecommendationNumbers(writer)
