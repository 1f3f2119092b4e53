"""How learned models are kept: arrays by name and JSON-able metadata with the number of the format."""

from typing import Any

from numpy.typing import NDArray

State = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""What a model learned: arrays by name, and JSON-able metadata."""


def require_format(metadata: dict[str, Any], expected: int) -> None:
    """Check that a state was written in the format that is expected.

    Raises
    ------
    ValueError
        If it was not.
    """
    if metadata.get("format") != expected:
        raise ValueError(f"format: this version reads {expected}, got {metadata.get('format')!r}")
