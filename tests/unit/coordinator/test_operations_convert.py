"""Requests about weights and attribution are whole before an agent hears of them."""

import pytest
from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from services.coordinator.operations_convert import to_attribution, to_roll_back, to_weights_update
from shared.errors import InvalidArgument, NotFound
from shared.recommendation_tokens import KEY_BYTES, Shopper, TokenKeys

KEYS = TokenKeys([bytes(KEY_BYTES)])
WEIGHTS = [AlgorithmWeight(algorithm="ease", weight=1)]


@pytest.mark.parametrize(
    "request_", [pb.SetWeightsRequest(), pb.SetWeightsRequest(weights=WEIGHTS, reset=True)], ids=["neither", "both"]
)
def test_weights_or_a_reset_are_required_and_not_both(request_: pb.SetWeightsRequest) -> None:
    with pytest.raises(InvalidArgument) as caught:
        to_weights_update(request_)
    assert caught.value.violations[0].field == "reset"


def test_the_request_id_goes_along() -> None:
    wanted = to_weights_update(pb.SetWeightsRequest(weights=WEIGHTS, reason="r", request_id="id"))
    other = to_weights_update(pb.SetWeightsRequest(weights=WEIGHTS, reason="s", request_id="id"))
    assert (wanted.reason, wanted.request_key.request_id) == ("r", "id")
    assert wanted.request_key.digest != other.request_key.digest
    assert not to_weights_update(pb.SetWeightsRequest(reset=True)).HasField("request_key")
    assert to_roll_back(pb.RollBackModelRequest(request_id="id")).request_key.request_id == "id"


def test_a_recommendation_of_any_shopper_may_be_asked_about() -> None:
    token = KEYS.issue(4711, Shopper("ann"))
    assert to_attribution(pb.GetAttributionRequest(recommendation_id=token), KEYS).recommendation_number == 4711
    assert to_attribution(pb.GetAttributionRequest(purchase_id="o"), KEYS).purchase_id == "o"


def test_a_list_of_any_shopper_may_be_asked_about() -> None:
    token = KEYS.issue_list(4711, 3, Shopper("", "browser"))
    assert to_attribution(pb.GetAttributionRequest(attribution_token=token), KEYS).list_number == 4711


@pytest.mark.parametrize("field", ["recommendation_id", "attribution_token"])
def test_an_id_that_no_answer_gave_is_not_found(field: str) -> None:
    with pytest.raises(NotFound) as caught:
        to_attribution(pb.GetAttributionRequest(**{field: "4711"}), KEYS)
    assert [each.field for each in caught.value.violations] == [field]


def test_the_token_of_a_list_is_none_of_a_recommendation_and_the_other_way_round() -> None:
    one, all_of_it = KEYS.issue(4711, Shopper("ann")), KEYS.issue_list(4711, 3, Shopper("ann"))
    with pytest.raises(NotFound):
        to_attribution(pb.GetAttributionRequest(recommendation_id=all_of_it), KEYS)
    with pytest.raises(NotFound):
        to_attribution(pb.GetAttributionRequest(attribution_token=one), KEYS)


def test_neither_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        to_attribution(pb.GetAttributionRequest(), KEYS)
