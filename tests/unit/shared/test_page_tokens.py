"""A page token leads to its page, and nothing else is taken for one."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import InvalidArgument
from shared.page_tokens import key_of_token, page_token, text_of_token, text_token


@given(st.integers(0, 2**63 - 1), st.text(), st.text())
def test_a_token_gives_its_key_back(key: int, category: str, name: str) -> None:
    assert key_of_token(page_token(key, category, name), category, name) == key


def test_no_token_is_the_first_page() -> None:
    assert key_of_token("", "Tea", "") == 0


def test_a_token_of_other_filters_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="other filters"):
        key_of_token(page_token(7, "Tea", ""), "Coffee", "")
    with pytest.raises(InvalidArgument, match="other filters"):
        key_of_token(page_token(7, "a", "b"), "ab", "")


@pytest.mark.parametrize(
    "token",
    ["7", "x" * 22, "ä", "!!!!", page_token(7) + "AA", base64.urlsafe_b64encode(struct.pack(">QII", 7, 1, 2)).decode()],
)
def test_anything_else_is_refused_naming_the_field(token: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        key_of_token(token)
    assert caught.value.violations[0].field == "page_token"


@pytest.mark.parametrize("token", ["!!!!", "AAAA", text_token("shop", "other")])
def test_every_bad_token_of_texts_has_its_reason(token: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        text_of_token(token, "filter")
    assert caught.value.reason == ErrorReason.PAGE_TOKEN_INVALID


@given(st.text(max_size=40))
def test_no_text_breaks_it(token: str) -> None:
    try:
        assert key_of_token(token) == 0
        assert not token
    except InvalidArgument:
        assert token
