"""Messages about drift as plain values."""

from quintet.type.v1.improvement_pb2 import QualityLook

from services.feedback.drift.quality import Look
from shared.events.check import check_number

MOST_QUESTIONS = 2**31 - 1


def to_look(message: QualityLook, field: str) -> Look:
    """Return a replay of questions. Raises InvalidArgument naming the field."""
    check_number(message.questions, f"{field}.questions", 0, MOST_QUESTIONS)
    check_number(message.quality, f"{field}.quality", 0, 1)
    check_number(message.gain, f"{field}.gain", -1, 1)
    check_number(message.standard_error, f"{field}.standard_error", 0, 1)
    return Look(message.questions, message.quality, message.gain, message.standard_error)
