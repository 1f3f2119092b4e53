"""Is a request about events that were set aside well formed?"""

from collections.abc import Sequence

from shared.errors import InvalidArgument
from shared.events.check import check_count

APPLYING = ("customer", "feedback")
"""The agents that apply the event log."""
MOST_SEQUENCES = 1_000


def check_sequences(sequences: Sequence[int], *, least: int = 1) -> None:
    """Raise InvalidArgument unless there are `least` to 1,000 numbers of the event log, each above 0."""
    check_count(sequences, "sequences", MOST_SEQUENCES, least=least)
    for index, sequence in enumerate(sequences):
        if sequence <= 0:
            raise InvalidArgument.of(f"sequences[{index}]", sequence, "must be above 0")
