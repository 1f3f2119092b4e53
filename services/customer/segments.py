"""Rule-based segments by recency, frequency and monetary value (RFM).

Source of the scores: Hughes, "Strategic Database Marketing", 1994. The segment names are those common in marketing.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.customer.rfm import AXES, SCORES, RfmValues, Scale
from services.customer.state import State, require_format

FORMAT = 1
MARGIN = 0.1
"""Half the width of a score (a quintile) on the percentile scale; see `Rfm.memberships`."""
NO_PURCHASE = "no_purchase"


@dataclass(frozen=True)
class Rule:
    """A segment and its range of scores on each axis, both ends included; 5 is the best score on every axis."""

    name: str
    description: str
    recency: tuple[int, int] = (1, SCORES)
    frequency: tuple[int, int] = (1, SCORES)
    monetary: tuple[int, int] = (1, SCORES)

    def criteria(self) -> dict[str, Any]:
        """Return the rule as JSON-able values."""
        return {"description": self.description, **{axis: list(getattr(self, axis)) for axis in AXES}}

    def matches(self, recency: int, frequency: int, monetary: int) -> bool:
        """Return whether a customer with these scores is in the segment."""
        scores = zip(AXES, (recency, frequency, monetary), strict=True)
        return all(getattr(self, axis)[0] <= score <= getattr(self, axis)[1] for axis, score in scores)


RULES = (
    Rule("champions", "bought lately, buy often and spend most", (5, 5), (4, 5), (4, 5)),
    Rule("loyal", "buy often and have bought not long ago", (3, 5), (4, 5)),
    Rule("big_spenders", "spend most, though they do not buy often", (3, 5), (1, 3), (5, 5)),
    Rule("potential_loyalists", "bought lately and more than once", (4, 5), (2, 3)),
    Rule("new_customers", "bought lately and seldom so far", (5, 5), (1, 1)),
    Rule("promising", "bought not long ago and seldom so far", (4, 4), (1, 1)),
    Rule("need_attention", "average in recency and frequency", (3, 3), (3, 3)),
    Rule("about_to_sleep", "have not bought for a while and bought seldom", (3, 3), (1, 2)),
    Rule("cant_lose", "bought often and spent much, but not for long", (1, 2), (4, 5), (4, 5)),
    Rule("at_risk", "bought often, but not for long", (1, 2), (3, 5)),
    Rule("hibernating", "bought seldom and long ago", (1, 2), (1, 2)),
)
"""A customer's segment is the first rule that matches. Together the rules cover all scores."""


@dataclass(frozen=True, eq=False)
class Memberships:
    """The segment of each of n customers."""

    names: tuple[str, ...]
    """Names of the segments: those of the rules, then `no_purchase`."""
    codes: NDArray[np.int64]
    """Index into `names` for each customer, shape (n,)."""
    confidence: NDArray[np.float64]
    """Shape (n,), in [0, 1]; see `Rfm.memberships`."""


@dataclass(frozen=True, eq=False)
class Rfm:
    """The scales of a population; the rules use the scores on these scales."""

    scales: dict[str, Scale]

    @classmethod
    def fit(cls, population: RfmValues) -> "Rfm":
        """Fit the scales on the customers with a purchase.

        Raises
        ------
        ValueError
            If no customer has a purchase.
        """
        active = population.active
        if not active.any():
            raise ValueError("population: at least one customer must have bought, got none")
        return cls({axis: Scale.fit(values[active]) for axis, values in population.axes().items()})

    def scores(self, values: RfmValues) -> NDArray[np.int64]:
        """Return the recency, frequency and monetary score, 1 to 5 (best), shape (n, 3); 0 without a purchase."""
        columns = [self.scales[axis].score(column) for axis, column in values.axes().items()]
        return np.where(values.active[:, None], np.stack(columns, axis=1), 0)

    def memberships(self, values: RfmValues) -> Memberships:
        """Return the segment of each customer with a confidence.

        The confidence is the probability that the customer stays in the segment if independent, uniform errors within
        ± 10 percentage points (half a quintile) are added to the customer's percentile on each of the three axes. It is
        1 far from all borders, 0.5 on a border between two segments, and less where more than two segments meet.
        Customers without a purchase are in `no_purchase` with confidence 1.
        """
        scores = np.maximum(self.scores(values), 1) - 1
        codes = self._segment_of_scores[tuple(scores.T)]
        active = values.active
        confidence = np.ones(len(codes))
        confidence[active] = self._chances(values)[np.flatnonzero(active), codes[active]]
        names = (*(rule.name for rule in RULES), NO_PURCHASE)
        return Memberships(names, np.where(active, codes, len(RULES)), np.clip(confidence, 0.0, 1.0))

    def criteria(self) -> dict[str, dict[str, Any]]:
        """Return each segment's rule with the thresholds of its scores, as JSON-able values."""
        thresholds = {axis: self.scales[axis].thresholds.tolist() for axis in AXES}
        limits = {
            "recency_days": [-value for value in thresholds["recency"]],
            "frequency": thresholds["frequency"],
            "monetary_minor": thresholds["monetary"],
        }
        rules = {rule.name: rule.criteria() | {"score_limits": limits} for rule in RULES}
        return rules | {NO_PURCHASE: {"description": "have not bought yet"}}

    def state(self) -> State:
        """Return arrays and JSON-able metadata from which `load` restores the model."""
        return {axis: scale.sample for axis, scale in self.scales.items()}, {"format": FORMAT}

    @classmethod
    def load(cls, state: State) -> "Rfm":
        """Return the model whose `state()` is given.

        Raises
        ------
        ValueError
            If the state has another format.
        KeyError
            If an array is missing.
        """
        arrays, metadata = state
        require_format(metadata, FORMAT)
        return cls({axis: Scale(arrays[axis]) for axis in AXES})

    @cached_property
    def _segment_of_scores(self) -> NDArray[np.int64]:
        """Index of the first rule that matches each triple of scores, shape (5, 5, 5)."""
        table = np.empty((SCORES, SCORES, SCORES), dtype=np.int64)
        for triple in np.ndindex(table.shape):
            table[triple] = next(i for i, rule in enumerate(RULES) if rule.matches(*(score + 1 for score in triple)))
        return table

    def _chances(self, values: RfmValues) -> NDArray[np.float64]:
        """Return the probability of each rule's segment, shape (n, rules), which sums to 1 for a buyer."""
        axes = values.axes()
        recency, frequency, monetary = (self.scales[axis].score_chances(axes[axis], MARGIN) for axis in AXES)
        chances = np.zeros((len(recency), len(RULES)))
        for (i, j, k), segment in np.ndenumerate(self._segment_of_scores):
            chances[:, segment] += recency[:, i] * frequency[:, j] * monetary[:, k]
        return chances
