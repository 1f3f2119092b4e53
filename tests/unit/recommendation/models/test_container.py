"""The container: arrays and facts in one file, read as views."""

import hashlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from services.recommendation.models.container import (
    ALIGNMENT,
    FORMAT_VERSION,
    HEADER,
    MAGIC,
    ArtifactError,
    ContainerWriter,
    open_container,
)
from shared.errors import DataLoss

NAMES = st.text(max_size=12)
ARRAYS = st.one_of(
    hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    for dtype in (np.float32, np.float16, np.int32, np.dtype(">i8"), np.uint8, np.bool_)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def written(arrays: dict[str, np.ndarray], facts: object) -> bytes:
    buffer = io.BytesIO()
    writer = ContainerWriter(buffer)
    for name, array in arrays.items():
        writer.add(name, array)
    writer.finish(facts)
    return buffer.getvalue()


SMALL = written({"a": np.arange(20, dtype=np.float32), "b": np.ones((2, 3), np.int32)}, {"n": 1})


@given(st.dictionaries(NAMES, ARRAYS, max_size=5), st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_any_arrays_and_facts_come_back(arrays, facts):
    container = open_container(written(arrays, facts))
    assert container.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(container.arrays[name], array)
        assert container.arrays[name].shape == array.shape
        assert container.arrays[name].dtype == array.dtype.newbyteorder("<")
    assert container.facts == facts


def test_arrays_are_read_only_views_at_aligned_places():
    content = bytearray(SMALL)
    container = open_container(memoryview(content))
    assert not container.arrays["a"].flags.writeable
    at = container.arrays["b"].__array_interface__["data"][0] - container.arrays["a"].__array_interface__["data"][0]
    assert at % ALIGNMENT == 0
    struct.pack_into("<f", content, HEADER.size, 7.5)
    assert container.arrays["a"][0] == 7.5, "the arrays are copies"


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.zeros(1, "M8[s]"), np.zeros(1, complex)])
def test_only_numbers_are_stored(array):
    with pytest.raises(ValueError, match="must be numbers"):
        written({"a": array}, {})


def test_a_name_is_used_once():
    writer = ContainerWriter(io.BytesIO())
    writer.add("a", np.zeros(1))
    with pytest.raises(ValueError, match="under a new name, got float64 as 'a'"):
        writer.add("a", np.zeros(1))


@given(st.integers(0, HEADER.size - 1), st.integers(1, 255))
def test_damage_in_the_header_is_found(at, change):
    damaged = bytearray(SMALL)
    damaged[at] ^= change
    if not 20 <= at < 24:  # the bytes that are not used
        with pytest.raises(ArtifactError):
            open_container(bytes(damaged))


@given(st.integers(SMALL.index(b'{"arrays"'), len(SMALL) - 1), st.integers(1, 255))
def test_damage_in_the_manifest_is_found(at, change):
    damaged = bytearray(SMALL)
    damaged[at] ^= change
    with pytest.raises(ArtifactError, match="checksum of the manifest"):
        open_container(bytes(damaged))


@given(st.integers(0, len(SMALL) - 1))
def test_a_cut_file_is_refused(length):
    with pytest.raises(ArtifactError):
        open_container(SMALL[:length])


def test_a_longer_file_is_refused():
    with pytest.raises(ArtifactError, match="checksum of the manifest"):
        open_container(SMALL + b"x")


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(content):
    with pytest.raises(ArtifactError, match=r"not a model of Quintet|an earlier Quintet"):
        open_container(content)


def sealed(manifest: bytes, version: int = FORMAT_VERSION) -> bytes:
    """A container without arrays, with a right checksum around any manifest."""
    return HEADER.pack(MAGIC, version, 0, HEADER.size, hashlib.sha256(manifest).digest()) + manifest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"QUINTET-BUNDLE-1\n" + bytes(100), "by an earlier Quintet in format 1: train again"),
        (
            sealed(b"{}", version=FORMAT_VERSION + 1),
            f"format {FORMAT_VERSION + 1} is not known, this Quintet reads {FORMAT_VERSION}",
        ),
        (sealed(b"\xff{"), "no readable manifest"),
        (sealed(b"[]"), "does not fit"),
        (sealed(b"{}"), "does not fit"),
        (sealed(b'{"arrays": {"a": {"dtype": "|O", "shape": [1], "offset": 64}}, "facts": {}}'), "of numbers"),
        (sealed(b'{"arrays": {"a": {"dtype": "<f4", "shape": [-1], "offset": 64}}, "facts": {}}'), "of numbers"),
        (sealed(b'{"arrays": {"a": {"dtype": "<f4", "shape": [9999], "offset": 64}}, "facts": {}}'), "does not fit"),
        (sealed(b'{"arrays": {"a": {"dtype": "<f4", "shape": [1], "offset": -4}}, "facts": {}}'), "does not fit"),
        (sealed(b'{"arrays": {"a": {"dtype": "<f4", "shape": [1], "offset": 1e99}}, "facts": {}}'), "does not fit"),
        (sealed(b'{"arrays": {"a": {"colour": 1}}, "facts": {}}'), "does not fit"),
    ],
)
def test_what_is_wrong_is_said(content, message):
    with pytest.raises(ArtifactError, match=message):
        open_container(content)


def test_the_error_is_data_loss():
    assert issubclass(ArtifactError, DataLoss)
