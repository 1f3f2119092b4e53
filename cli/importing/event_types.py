"""The types of events as the options of an import give them."""

from cli.importing.errors import ImportAborted
from shared.errors import InvalidArgument
from shared.event_types import EventTypes


def parse_event_types(options: list[str]) -> dict[str, str]:
    """Turn `--event-type` options, `OURS` or `THEIRS=OURS`, into a mapping. Raises ImportAborted for unknown types."""
    own: dict[str, str] = {}
    for option in options:
        theirs, _, ours = option.rpartition("=")
        own[theirs] = ours
    try:
        EventTypes(own)
    except InvalidArgument as error:
        raise ImportAborted(f"--event-type: {error}") from error
    return own
