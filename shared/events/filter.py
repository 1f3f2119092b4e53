"""Filter expressions of a request: refused with the field and the position where they cannot be read."""

from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import InvalidArgument
from shared.events.check import check_text
from shared.filters.errors import FilterError
from shared.filters.parser import LONGEST, parse
from shared.filters.tree import Expression


def checked_expression(text: str, field: str) -> Expression | None:
    """Return the expression that a field of a request holds; None for an empty one. Raises InvalidArgument."""
    if not text:
        return None
    check_text(text, field, LONGEST)
    try:
        return parse(text)
    except FilterError as error:
        reason = ErrorReason.FIELD_MALFORMED
        raise InvalidArgument.of(field, text, str(error), reason, position=error.position) from error
