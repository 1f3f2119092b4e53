"""A way to fill a placement: an arm of an experiment, or one of the variants that a bandit chooses from."""

from dataclasses import dataclass, replace

from shared.merchandising.placement import Boosts, Placement


@dataclass(frozen=True)
class Variant:
    """What differs from the placement; what is empty or None stays as the placement says.

    Parameters
    ----------
    variant_id : str
    strategy : str, optional
        The algorithm that orders the list alone, empty for what suits the page.
    weights : tuple of (str, float)
        Algorithms and their weights, which order the list by themselves.
    diversity : float, optional
    boosts : Boosts, optional
    with_rules, without_rules : frozenset of str
        Ids of rules that hold, though they are switched off, and of rules that do not hold.
    model_version : str
        The model that answers; empty for the active one.
    """

    variant_id: str
    strategy: str | None = None
    weights: tuple[tuple[str, float], ...] = ()
    diversity: float | None = None
    boosts: Boosts | None = None
    with_rules: frozenset[str] = frozenset()
    without_rules: frozenset[str] = frozenset()
    model_version: str = ""

    @property
    def says_nothing(self) -> bool:
        """Whether placements stay as they are."""
        return self == Variant(self.variant_id)

    @property
    def says_order(self) -> bool:
        """Whether it says how products are ordered, which the placement's bandit would say otherwise."""
        return self.strategy is not None or bool(self.weights) or self.diversity is not None or self.boosts is not None

    def fill(self, placement: Placement) -> Placement:
        """Return the placement as this variant fills it."""
        changed = placement
        if self.strategy is not None:
            changed = replace(changed, strategy=self.strategy, weights=())
        if self.weights:
            changed = replace(changed, strategy="", weights=self.weights)
        return replace(
            changed,
            diversity=changed.diversity if self.diversity is None else self.diversity,
            boosts=changed.boosts if self.boosts is None else self.boosts,
            with_rules=changed.with_rules | self.with_rules,
            without_rules=changed.without_rules | self.without_rules,
            model_version=self.model_version or changed.model_version,
        )
