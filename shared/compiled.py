"""Compiles numerical loops to machine code: cached on disk, and without the interpreter lock while they run."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])
_FUNCTIONS: list[Any] = []
"""All that were made, numba's dispatchers."""


def compiled(function: Function) -> Function:
    """Return `function` compiled at its first call for each combination of argument types.

    The machine code is cached beside the source, or in the user's cache folder or NUMBA_CACHE_DIR where that is
    read-only, so only the first process of an installation compiles. Arrays in, numbers and arrays out; no Python
    objects.
    """
    return _compiled(function)


def compiled_sums(function: Function) -> Function:
    """Return `function` as `compiled` does, with sums in any order: the processor adds several numbers at a time."""
    return _compiled(function, fastmath={"reassoc", "contract"})


def _compiled(function: Function, **options: Any) -> Function:
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        made = njit(cache=True, **options)(function)
    except RuntimeError:  # no folder can be written to: each process compiles for itself
        return cast(Function, njit(**options)(function))
    _FUNCTIONS.append(made)
    return cast(Function, made)


def load_compiled() -> int:
    """Load the machine code of imported functions that is on disk, as their first calls would, and return how much.

    numba tells nobody else what it has on disk: what is asked is its own, of the version that the lock files pin.
    """
    signatures = [(each, key[0]) for each in _FUNCTIONS for key in each._cache._cache_file._load_index()]
    for function, signature in signatures:
        function.compile(signature)
    return len(signatures)
