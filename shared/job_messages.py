"""Progress of work inside an agent as a message, with its result in a field of its own, and back."""

from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from quintet.type.v1.job_pb2 import JobProgress

from shared.jobs import Progress
from shared.training_facts import training_fields

_PREPARED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"train_models": training_fields}
"""What makes fields of the contract of the facts of a job, where they differ."""


def progress_message(progress: Progress, result: str) -> JobProgress:
    """Return progress as a message; `result` is the field of what comes of the work.

    Facts that the contract does not name are left out.
    """
    message = JobProgress(stage=progress.stage, progress=progress.fraction)
    if progress.result is not None:
        field = getattr(message, result)
        field.SetInParent()
        facts = _PREPARED.get(result, dict)(progress.result)
        ParseDict(facts, field, ignore_unknown_fields=True)
    return message


def to_progress(message: JobProgress) -> Progress:
    """Return progress from a message; the result has the fields of the contract, with those that are 0 or empty."""
    result = message.WhichOneof("result")
    facts = None
    if result is not None:
        facts = MessageToDict(
            getattr(message, result), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    return Progress(message.stage, message.progress, facts)
