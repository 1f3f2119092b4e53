"""Ids of placements, rules, variants and experiments."""

import re

from quintet.type.v1.error_pb2 import ErrorReason

from shared import limits
from shared.errors import InvalidArgument
from shared.events.check import check_text

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def check_name(value: str, field: str) -> None:
    """Raise InvalidArgument unless `value` may be the id of a placement or a rule."""
    check_text(value, field, limits.MAX_DEFINITION_ID, required=True)
    if not _NAME.fullmatch(value):
        problem = "must be 1 to 63 lower-case letters, digits, _ and -, a letter first"
        raise InvalidArgument.of(field, value, problem, ErrorReason.FIELD_MALFORMED)
