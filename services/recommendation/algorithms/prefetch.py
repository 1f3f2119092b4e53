"""Asks the processor to fetch memory that a compiled loop reads a moment later.

Rows of a sparse matrix lie scattered in memory. The processor finds out by itself where a row goes on, but not where
the next one begins, and waits for it.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from services.recommendation.algorithms.arrays import AnyArray
from shared.compiled import compiled

LINE_BYTES = 64
"""What the processor fetches at a time."""
_BYTES, _FLAG = ir.IntType(8).as_pointer(), ir.IntType(32)
_FOR_READING, _KEEP_CLOSE, _DATA = 0, 3, 1


@intrinsic
def _prefetch(_typing: Any, array: Any, position: Any) -> Any:
    """Fetch the memory at a position of an array into the caches (the instruction `llvm.prefetch`)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(start, [arguments[1]]), _BYTES)
        kind = ir.FunctionType(ir.VoidType(), [_BYTES, _FLAG, _FLAG, _FLAG])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")  # type: ignore[no-untyped-call]
        builder.call(fetch, [address, *(_FLAG(flag) for flag in (_FOR_READING, _KEEP_CLOSE, _DATA))])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@compiled
def prefetch(array: AnyArray, begin: int, end: int) -> None:
    """Fetch entries `begin` to `end` - 1 of a contiguous array, of which `end` is not beyond the length."""
    for position in range(begin, end, LINE_BYTES // array.itemsize):
        _prefetch(array, position)  # type: ignore[call-arg]  # numba gives the first argument itself
