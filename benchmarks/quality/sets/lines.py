"""Files with one line a customer: the customer's number, then numbers of products."""

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class Lists(NamedTuple):
    """Customers and products of all lines, one element a product, in the order of the file; shapes (n,), int64."""

    customers: Numbers
    products: Numbers


def read_lines(path: Path) -> list[list[int]]:
    """Return the numbers of each line of a packed text file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [list(map(int, line.split())) for line in file if line.strip()]


def flat(lines: Iterable[list[int]]) -> Lists:
    """Return the lines as two parallel arrays."""
    kept = list(lines)
    customers = np.repeat([line[0] for line in kept], [len(line) - 1 for line in kept]).astype(np.int64)
    return Lists(customers, np.array([number for line in kept for number in line[1:]], dtype=np.int64))


def shuffled(lists: Lists, seed: int = 0) -> Lists:
    """Return the same with each customer's products in a random order.

    For lines whose order means nothing: left as they are, sorted by number, they would look like a sequence, and the
    numbers of some sets were given out in an order that knows the answers.
    """
    order = np.lexsort((np.random.default_rng(seed).permutation(len(lists.products)), lists.customers))
    return Lists(lists.customers[order], lists.products[order])
