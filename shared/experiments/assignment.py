"""Which arm of an experiment a unit meets: by a hash, so that every replica says the same without a database.

A unit's hash in a layer gives one of `BUCKETS` buckets. Each experiment of the layer has a range of them, so a unit is
in one experiment of a layer at most. A second hash, salted with the experiment, gives the arm, so that the arms of two
experiments are independent of each other.
"""

import hashlib
from collections.abc import Sequence

BUCKETS = 10_000
_UNIT_BYTES = 8


def unit_hash(kind: str, name: str) -> int:
    """Return the number that a unit is known by in the log of exposures: 63 bits of BLAKE2b of its kind and id."""
    digest = hashlib.blake2b(f"{kind}\0{name}".encode(), digest_size=_UNIT_BYTES).digest()
    return int.from_bytes(digest, "big") >> 1


def bucket_of(layer: str, unit: int) -> int:
    """Return the bucket, from 0 to `BUCKETS` - 1, of a unit in a layer."""
    return int(_share(f"layer\0{layer}", unit) * BUCKETS)


def arm_of(experiment_id: str, unit: int, shares: Sequence[float]) -> int:
    """Return the index of the arm that a unit meets, from the arms' relative shares."""
    point, reached = _share(f"arm\0{experiment_id}", unit) * sum(shares), 0.0
    for index, share in enumerate(shares):
        reached += share
        if point < reached:
            return index
    return len(shares) - 1


def _share(salt: str, unit: int) -> float:
    """Return a number from 0 to below 1 that is uniform over units, and independent for different salts."""
    digest = hashlib.blake2b(
        unit.to_bytes(_UNIT_BYTES, "big"), key=hashlib.sha256(salt.encode()).digest(), digest_size=8
    )
    return (int.from_bytes(digest.digest(), "big") >> 11) / (1 << 53)
