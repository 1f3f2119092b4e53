"""What the contract says of fields by `google.api.field_behavior`: which must be given, which the server sets."""

from typing import Any

from google.api.field_behavior_pb2 import FieldBehavior, field_behavior


def is_required(field: Any) -> bool:
    """Whether a request without the field is refused."""
    return FieldBehavior.REQUIRED in behavior_of(field)


def is_output_only(field: Any) -> bool:
    """Whether the server sets the field; what a request has there is ignored."""
    return FieldBehavior.OUTPUT_ONLY in behavior_of(field)


def behavior_of(field: Any) -> list[int]:
    """Return what is said of a field."""
    return list(field.GetOptions().Extensions[field_behavior])
