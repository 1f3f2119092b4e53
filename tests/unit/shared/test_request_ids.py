"""A request is named by its id and by what it asks for."""

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from shared.errors import InvalidArgument
from shared.request_ids import RequestKey, id_from, key_of


def test_the_key_says_what_is_asked_for_and_not_how_often() -> None:
    first, again = (key_of(pb.TrainModelsRequest(request_id="r", quick=True)) for _ in range(2))
    assert first is not None
    assert first == again
    assert len(first.digest) == 32
    assert RequestKey.of_message(first.to_message()) == first
    others = [pb.TrainModelsRequest(request_id="r"), pb.RefreshCatalogRequest(request_id="r")]
    assert all((key := key_of(other)) and key.digest != first.digest for other in others)


def test_a_request_without_an_id_has_no_key() -> None:
    assert key_of(pb.TrainModelsRequest()) is None
    assert RequestKey.of_message(RequestKey("", b"").to_message()) is None


@pytest.mark.parametrize("bad", [" ", "x" * 129, "a\0"])
def test_a_bad_id_is_refused(bad: str) -> None:
    with pytest.raises(InvalidArgument, match="request_id"):
        key_of(pb.TrainModelsRequest(request_id=bad))


def test_ids_made_from_a_request_are_the_same_each_time_and_differ_by_place() -> None:
    assert id_from("r", 1) == id_from("r", 1)
    assert len({id_from("r"), id_from("r", 1), id_from("s"), id_from("r1")}) == 4
