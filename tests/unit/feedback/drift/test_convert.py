"""What the coordinator says of a replay is checked: a look is shown to everybody who asks for runs."""

import math

import pytest
from quintet.type.v1.improvement_pb2 import QualityLook

from services.feedback.drift.convert import to_look
from services.feedback.drift.quality import Look
from shared.errors import InvalidArgument


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"questions": -1}, "quality.questions"),
        ({"questions": 2**40}, "quality.questions"),
        ({"quality": math.nan}, "quality.quality"),
        ({"gain": -1.5}, "quality.gain"),
        ({"standard_error": math.inf}, "quality.standard_error"),
    ],
)
def test_a_replay_has_numbers_that_such_a_replay_may_have(wrong: dict[str, float], field: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        to_look(QualityLook(**{"questions": 10, **wrong}), "quality")  # type: ignore[arg-type]


def test_a_replay() -> None:
    message = QualityLook(questions=10, quality=0.5, gain=-0.1, standard_error=0.05)
    assert to_look(message, "quality") == Look(10, 0.5, -0.1, 0.05)
