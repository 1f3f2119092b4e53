"""Customer groups: names for what demographics say, and the codes that a model learned for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from shared.db.customers import Groups

SHOWN = {"age": "age_group", "region": "region"}
"""How the groups that algorithms know are named to people and machines."""


def labels_of(groups: Groups) -> dict[str, str]:
    """Return the customer's value of each group that algorithms know; without those that are unknown."""
    found = {"age": groups.age_group, "region": groups.region}
    return {name: label for name, label in found.items() if label}


@dataclass(frozen=True)
class GroupCodes:
    """The values of each group in the order of their codes."""

    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, members: Iterable[Mapping[str, str]]) -> "GroupCodes":
        """Return codes for all values that `members` have, ascending."""
        every = list(members)
        values = {name: {labels[name] for labels in every if name in labels} for name in SHOWN}
        return cls({name: tuple(sorted(found)) for name, found in values.items()})

    def codes(self, labels: Mapping[str, str]) -> dict[str, int]:
        """Return the codes of a customer's groups; without those that are not known."""
        pairs = ((name, _code(self.labels.get(name, ()), label)) for name, label in labels.items())
        return {name: code for name, code in pairs if code >= 0}

    def rows(self, members: Sequence[Mapping[str, str]]) -> dict[str, Rows]:
        """Return the codes of many customers by group, each of shape (n_customers,), int32; -1 where unknown."""
        numbers = {name: {label: code for code, label in enumerate(labels)} for name, labels in self.labels.items()}
        return {
            name: np.array([known.get(labels.get(name, ""), -1) for labels in members], dtype=np.int32)
            for name, known in numbers.items()
        }

    def describe(self, name: str, code: int) -> str:
        """Return a group as the contract writes it, such as `region=Bavaria`."""
        return f"{SHOWN.get(name, name)}={self.labels[name][code]}"


def _code(labels: Sequence[str], label: str) -> int:
    return labels.index(label) if label in labels else -1
