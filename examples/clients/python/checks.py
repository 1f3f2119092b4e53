"""What the steps of the journey check, and what they report."""

from typing import Any

Fields = dict[str, Any]
"""What a step reports, by name."""


class CheckFailed(Exception):
    """Quintet answered, but not as its contract says."""


def check(holds: bool, expectation: str) -> None:
    """Stop the journey unless what was expected holds."""
    if not holds:
        raise CheckFailed(f"expected {expectation}")
