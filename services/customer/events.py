"""What customers did, as columns: the input of everything the customer agent computes."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.interaction_kind import Kind as Kind


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one customer, or of many, one entry each in columns of one length and any order.

    A purchase of five products is five events with one basket number.
    """

    times: NDArray[np.int64]
    """Unix seconds, UTC."""
    products: NDArray[np.int32]
    """Rows of the products; negative for a product that is no longer known."""
    kinds: NDArray[np.int8]
    """Values of `Kind`."""
    quantities: NDArray[np.float64]
    """Units; 1 for a view."""
    amounts: NDArray[np.int64]
    """What was paid for the whole line, in minor units; 0 for what is not a purchase."""
    baskets: NDArray[np.int64]
    """Number of the purchase that a line belongs to; any value for other kinds."""
    dwell_seconds: NDArray[np.float64]
    """How long a view lasted; 0 when unknown and for other kinds."""

    def __post_init__(self) -> None:
        """Check that columns agree.

        Raises
        ------
        ValueError
            If a column has another length than `times`, or a kind is none of `Kind`.
        """
        for field in fields(self):
            if len(getattr(self, field.name)) != len(self.times):
                raise ValueError(
                    f"{field.name}: must have {len(self.times)} entries, got {len(getattr(self, field.name))}"
                )
        if len(self.kinds) and not 0 <= self.kinds.min() <= self.kinds.max() <= max(Kind):
            raise ValueError(f"kinds: must be from 0 to {max(Kind)}, got {self.kinds.min()} to {self.kinds.max()}")

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def of(
        cls,
        times: ArrayLike,
        products: ArrayLike,
        kinds: ArrayLike,
        quantities: ArrayLike = 1.0,
        amounts: ArrayLike = 0,
        baskets: ArrayLike = -1,
        dwell_seconds: ArrayLike = 0.0,
    ) -> "Events":
        """Return events from anything numpy can read; what is left out or one number is the same for all events."""
        count = np.asarray(times).shape
        columns = (times, products, kinds, quantities, amounts, baskets, dwell_seconds)
        types = (np.int64, np.int32, np.int8, np.float64, np.int64, np.int64, np.float64)
        return cls(
            *(
                np.broadcast_to(np.asarray(c, dtype=t), count) if np.ndim(c) == 0 else np.asarray(c, dtype=t)
                for c, t in zip(columns, types, strict=True)
            )
        )

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Events":
        """Return the events that a mask or positions pick, in that order."""
        return Events(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def purchases(self) -> "Events":
        """The purchased lines."""
        return self.select(self.kinds == Kind.PURCHASE)
