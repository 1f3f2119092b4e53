"""Compiles numerical loops to machine code: cached on disk, and without the interpreter lock while they run."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


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
        return cast(Function, njit(cache=True, **options)(function))
    except RuntimeError:  # no folder can be written to: each process compiles for itself
        return cast(Function, njit(**options)(function))
