"""Packed arrays come back as they were, and damage is told, never returned."""

import hashlib
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from shared.arrays import MAGIC, ArraysDamaged, pack, unpack

ARRAYS = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "keys": np.array([1, 2**40])}
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


def sealed(body: bytes) -> bytes:
    return MAGIC + hashlib.sha256(body).digest() + body


def archive(**members: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **members)  # type: ignore[arg-type]
    return sealed(buffer.getvalue())


@given(
    st.dictionaries(st.sampled_from(["a", "b.c", "d/e"]), arrays_of.arrays(np.float32, (2, 3))),
    st.dictionaries(st.text(max_size=5), JSON, max_size=3),
)
def test_what_is_packed_comes_back(arrays: dict[str, np.ndarray], metadata: dict[str, object]) -> None:
    found, said = unpack(pack(arrays, metadata))
    assert said == metadata
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_the_same_input_gives_the_same_bytes() -> None:
    assert pack(ARRAYS, {"n": 1}) == pack(ARRAYS, {"n": 1})


@given(st.integers(min_value=0), st.integers(1, 255))
def test_any_changed_byte_is_noticed(place: int, change: int) -> None:
    packed = bytearray(pack(ARRAYS, {}))
    packed[place % len(packed)] ^= change
    with pytest.raises(ArraysDamaged):
        unpack(bytes(packed))


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (b"", "cut off"),
        (pack(ARRAYS, {})[:20], "cut off"),
        (b"something else" * 10, "not packed by Quintet"),
        (sealed(b"no archive"), "cannot be read"),
        (archive(a=np.zeros(1)), "cannot be read"),
        (archive(metadata=np.frombuffer(b"no json", dtype=np.uint8)), "cannot be read"),
        (archive(metadata=np.frombuffer(json.dumps({"format": 99, "metadata": {}}).encode(), dtype=np.uint8)), "99"),
    ],
)
def test_other_bytes_are_refused(packed: bytes, said: str) -> None:
    with pytest.raises(ArraysDamaged, match=said):
        unpack(packed)


def test_the_name_of_the_metadata_is_taken() -> None:
    with pytest.raises(ValueError, match="is taken"):
        pack({"metadata": np.zeros(1)}, {})


def test_objects_are_not_packed() -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        pack({"a": np.array([object()])}, {})
