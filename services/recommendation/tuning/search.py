"""The search: one parameter after the other, step by step from the best found so far."""

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.recommendation.algorithms.base import Space
from shared.db.tuning import params_hash

Params: TypeAlias = dict[str, Any]
Search: TypeAlias = Generator[Params, float, None]


def coordinate_search(space: Space, starts: Sequence[Params]) -> Search:
    """Propose parameters, none twice; send each one's value back. Ends when no step from the best is better.

    Each parameter in turn is moved up through its values, then down, the others staying at the best found so far, as
    long as each step is better than the one before. Nothing is drawn by chance, so the same values lead to the same
    proposals: a search that was cut off is continued by beginning it anew and answering from memory.

    Parameters
    ----------
    space : mapping of str to tuple
        The values of each parameter, ascending; the parameters that matter most first.
    starts : sequence of dict
        Parameters proposed first, at least one; the search goes on from the best of them.

    Yields
    ------
    dict
        A value for each parameter.
    """
    climb = _Climb(space)
    for start in starts:
        yield from climb.step(start)
    before = float("-inf")
    while climb.reached > before:
        before = climb.reached
        for name in space:
            yield from climb.along(name, up=True)
            yield from climb.along(name, up=False)


@dataclass
class _Climb:
    """Where the search is."""

    space: Space
    best: Params = field(default_factory=dict)
    reached: float = float("-inf")
    known: dict[str, float] = field(default_factory=dict)

    def along(self, name: str, *, up: bool) -> Search:
        """Move one parameter as long as it gets better."""
        values = self.space[name]
        here = self.best[name]
        ahead = values[bisect_right(values, here) :] if up else values[: bisect_left(values, here)][::-1]
        for value in ahead:
            candidate = {**self.best, name: value}
            yield from self.step(candidate)
            if self.best != candidate:
                return

    def step(self, candidate: Params) -> Search:
        """Ask for the value of parameters unless it is known, and go there if it is better."""
        key = params_hash(candidate)
        if key not in self.known:
            self.known[key] = yield candidate
        if self.known[key] > self.reached or not self.best:
            self.best, self.reached = candidate, self.known[key]
