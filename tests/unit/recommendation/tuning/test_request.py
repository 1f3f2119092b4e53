"""Only what can be tuned is tuned, and bad requests are refused by name."""

import pytest

from services.recommendation.algorithms.related import Similar
from services.recommendation.tuning.request import TuningRequest
from shared.errors import InvalidArgument
from tests.unit.recommendation.tuning.toys import Settled, Toy

CLASSES = (Toy, Similar, Settled)


def test_everything_with_something_to_tune_is_chosen_by_default() -> None:
    assert TuningRequest().chosen(CLASSES) == [Toy, Settled]
    assert TuningRequest(("settled",)).chosen(CLASSES) == [Settled]


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"algorithms": ("nobody",)}, "algorithms"),
        ({"algorithms": ("similar",)}, "algorithms"),
        ({"trials": -1}, "trials"),
        ({"minutes": -1.0}, "minutes"),
        ({"minutes": float("nan")}, "minutes"),
    ],
)
def test_a_bad_request_is_refused(request_fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        TuningRequest(**request_fields).chosen(CLASSES)  # type: ignore[arg-type]
    assert caught.value.violations[0].field == field


def test_a_request_goes_through_json() -> None:
    request = TuningRequest(("toy",), 3, 0.5, only_if_changed=True)
    assert TuningRequest.of_json(request.as_json()) == request
    assert TuningRequest.of_json("{}") == TuningRequest()
