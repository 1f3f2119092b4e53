"""What is there for long is kept out of garbage collections, and what is garbage is collected all the same."""

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from shared.garbage import keep_out_what_came, keep_out_what_is_there


class Node:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _unfrozen() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_what_is_there_is_kept_out() -> None:
    keep_out_what_is_there()
    assert gc.get_freeze_count() > 1000
    assert len(gc.get_objects()) < 1000


def test_garbage_that_was_kept_out_is_collected_the_next_time() -> None:
    node = Node()
    left = ref(node)
    keep_out_what_is_there()
    del node
    gc.collect()
    assert left() is not None
    keep_out_what_came()
    assert left() is None


def test_a_process_that_does_not_serve_is_left_alone() -> None:
    keep_out_what_came()
    assert gc.get_freeze_count() == 0
