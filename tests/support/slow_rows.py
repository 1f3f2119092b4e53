"""A clock by which each row takes a millisecond."""

import pytest

from shared.db.slices import SliceSize


def slow_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have slices of rows seem to take a millisecond a row; return a list that is filled with their sizes."""
    sizes: list[int] = []
    learn = SliceSize.learn

    def slow(size: SliceSize, count: int, _seconds: float) -> None:
        sizes.append(count)
        learn(size, count, count * 0.001)

    monkeypatch.setattr(SliceSize, "learn", slow)
    return sizes
