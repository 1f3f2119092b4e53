"""Ids are unique and begin with the moment they were made."""

import numpy as np

from shared.ids import digests, new_id


def test_ids_are_unique_and_in_the_order_of_time() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == len(ids)
    moments = [each[:12] for each in ids]
    assert moments == sorted(moments)
    assert {len(each) for each in ids} == {32}


def test_texts_have_digests_of_their_own() -> None:
    assert len(np.unique(digests(str(number) for number in range(10_000)))) == 10_000
    assert digests(["tea"]).tolist() == [10431608578837538234], "the same on every machine"
    assert digests([]).shape == (0,)
