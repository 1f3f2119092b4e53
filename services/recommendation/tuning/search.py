"""The search: one parameter after the other, the others at the best found so far."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeAlias

from shared.db.tuning import params_hash

Params: TypeAlias = dict[str, Any]
Space: TypeAlias = Mapping[str, tuple[Any, ...]]


def coordinate_search(space: Space, starts: Sequence[Params]) -> Generator[Params, float, None]:
    """Propose parameters, none twice; send each one's value back. Ends when no single change is better.

    Nothing is drawn by chance, so the same values lead to the same proposals: a search that was cut off is continued by
    beginning it anew and answering from memory.

    Parameters
    ----------
    space : mapping of str to tuple
        The values of each parameter, the parameters that matter most first.
    starts : sequence of dict
        Parameters proposed first, at least one; the search goes on from the best of them.

    Yields
    ------
    dict
        A value for each parameter.
    """
    seen: set[str] = set()
    best, reached = starts[0], float("-inf")
    for start in _new(starts, seen):
        value = yield start
        best, reached = (start, value) if value > reached else (best, reached)
    moved = True
    while moved:
        before = reached
        for name, values in space.items():
            for candidate in _new([{**best, name: value} for value in values], seen):
                value = yield candidate
                best, reached = (candidate, value) if value > reached else (best, reached)
        moved = reached > before


def _new(candidates: Sequence[Params], seen: set[str]) -> list[Params]:
    """Return the candidates not seen yet, and count them as seen."""
    fresh = {params_hash(candidate): candidate for candidate in candidates}
    new = [candidate for key, candidate in fresh.items() if key not in seen]
    seen.update(fresh)
    return new
