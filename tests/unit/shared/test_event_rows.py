"""Ids of events are packed without loss, and no two look alike."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from shared.db.event_rows import compact, is_kind, kind_of, pack_id, plain, stored_kinds, unpack_id

HEX = st.text("0123456789abcdef", min_size=32, max_size=32)
IDS = st.one_of(
    st.text(min_size=1, max_size=128),
    HEX,
    st.uuids().map(str),
    st.uuids().map(lambda each: str(each).upper()),
    st.text("0123456789abcdef-", min_size=30, max_size=38),
)
LOG_IDS = st.one_of(IDS, IDS.map("feedback\x1f{}".format))


@given(st.sets(LOG_IDS))
def test_packed_ids_are_unpacked_and_differ(ids: set[str]) -> None:
    packed = {pack_id(each) for each in ids}
    assert {unpack_id(each) for each in packed} == ids
    assert len(packed) == len(ids)


def test_uuids_and_hexadecimal_ids_take_17_bytes() -> None:
    assert len(pack_id(str(uuid.uuid4()))) == len(pack_id(uuid.uuid4().hex)) == 17
    assert len(pack_id("e-1")) == 4


def test_kinds_are_letters_in_compact_rows_and_words_in_plain_ones() -> None:
    for kind, letter in (("purchase", "b"), ("feedback", "f"), ("of a later release", "of a later release")):
        assert compact("e", kind, b"", None).kind == letter
        assert plain("e", kind, b"").kind == kind
        assert kind_of(letter) == kind_of(kind) == kind
    assert stored_kinds(["purchase"]) == ["b", "purchase"]
    assert "IN" in str(is_kind("purchase"))


def test_what_is_no_event_is_kept_as_it_is() -> None:
    assert compact("e", "purchase", b"\xff\xff", 1).payload == b"\xff\xff"
