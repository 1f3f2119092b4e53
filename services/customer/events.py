"""Customer events in columns: the input of all computations of the customer agent."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.interaction_kind import Kind as Kind


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one or many customers, in any order, as columns of shape (n,).

    A purchase of five products is five events with the same basket number.
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
    """Amount paid for the whole line, in minor units; 0 for other kinds."""
    baskets: NDArray[np.int64]
    """Number of the purchase that a line belongs to; any value for other kinds."""
    dwell_seconds: NDArray[np.float64]
    """Duration of a view; 0 if it is unknown, and for other kinds."""

    def __post_init__(self) -> None:
        """Check the columns.

        Raises
        ------
        ValueError
            If a column has not the length of `times`, or a kind is not a value of `Kind`.
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
        """Return events from arrays or lists; a column given as a single number has this value for all events."""
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
        """Return the events that a mask selects, or those at the given positions, in that order."""
        return Events(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def purchases(self) -> "Events":
        """The events of kind purchase."""
        return self.select(self.kinds == Kind.PURCHASE)
