"""What became of rows, however they were taken."""

from cli.importing.drafts import Draft
from cli.importing.events import Converted


def all_drafts(converted: Converted) -> list[Draft]:
    """Return the events of a batch by their rows, those that were taken by column among them."""
    plain = [] if converted.plain is None else converted.plain.drafts()
    return sorted([*converted.drafts, *plain], key=lambda draft: draft.rows)
