"""Values made in a process of its own."""

import multiprocessing
import os
from collections.abc import Iterator

import pytest

from cli.importing.ahead import ahead
from cli.importing.errors import ImportAborted
from shared.errors import InvalidArgument


def numbers(count: int) -> Iterator[tuple[int, int]]:
    yield from ((each, os.getpid()) for each in range(count))


def fails(count: int) -> Iterator[int]:
    yield from range(count)
    raise InvalidArgument("no such column")


def dies() -> Iterator[int]:
    yield 1
    os._exit(1)


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(1_000_000)


def test_all_values_come_in_order_from_another_process() -> None:
    found = list(ahead(numbers, 5))
    assert [each for each, _ in found] == [0, 1, 2, 3, 4]
    assert {process for _, process in found} != {os.getpid()}


def test_errors_are_raised_here_after_what_came_before() -> None:
    values = ahead(fails, 2)
    assert [next(values), next(values)] == [0, 1]
    with pytest.raises(InvalidArgument, match="no such column"):
        next(values)


def test_a_process_that_dies_is_no_end_of_the_file() -> None:
    values = ahead(dies)
    assert next(values) == 1
    with pytest.raises(ImportAborted, match="has died"):
        next(values)


def test_who_wants_no_more_leaves_no_process_behind() -> None:

    values = ahead(endless)
    next(values)
    values.close()
    assert multiprocessing.active_children() == []
