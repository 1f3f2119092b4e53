"""Memory that is free goes back to the system, and where there is no way to say so nothing happens."""

import sys

import pytest

from shared import memory


def test_it_may_be_called_at_any_time() -> None:
    for _ in range(2):
        memory.give_memory_back()


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    memory._glibc.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory._glibc() is None
    memory.give_memory_back()
    memory._glibc.cache_clear()
