"""Messages about drift as plain values."""

from quintet.type.v1.improvement_pb2 import QualityLook

from services.feedback.drift.quality import Look


def to_look(message: QualityLook) -> Look:
    """Return a replay of questions."""
    return Look(message.questions, message.quality, message.gain, message.standard_error)
