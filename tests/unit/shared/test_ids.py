"""Ids are unique and begin with the moment they were made."""

from shared.ids import new_id


def test_ids_are_unique_and_in_the_order_of_time() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == len(ids)
    moments = [each[:12] for each in ids]
    assert moments == sorted(moments)
    assert {len(each) for each in ids} == {32}
