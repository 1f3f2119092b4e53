"""The stored form of learned models: arrays by name and JSON-able metadata with a format number."""

from typing import Any

from numpy.typing import NDArray

State = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""A learned model: arrays by name, and JSON-able metadata."""


def require_format(metadata: dict[str, Any], expected: int) -> None:
    """Check that the metadata has the expected format number.

    Raises
    ------
    ValueError
        If it has another.
    """
    if metadata.get("format") != expected:
        raise ValueError(f"format: this version reads {expected}, got {metadata.get('format')!r}")
