"""All placements and rules that are in force, as one immutable value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.errors import NotFound
from shared.merchandising.placement import BUILT_IN, Placement, built_in_id
from shared.merchandising.rule import Moment, Rule
from shared.page_rules import Page


@dataclass(frozen=True)
class Merchandising:
    """Placements by id, those that are built in included, and rules, the ones that win first.

    `version` is the number of the last change that is in here.
    """

    placements: Mapping[str, Placement] = field(default_factory=lambda: dict(BUILT_IN))
    rules: tuple[Rule, ...] = ()
    version: int = 0

    @classmethod
    def of(cls, placements: Iterable[Placement], rules: Iterable[Rule], version: int = 0) -> "Merchandising":
        """Return what is stored, with the built-in placements where no stored one replaces them."""
        stored = {each.placement_id: each for each in placements}
        enabled = (rule for rule in rules if not rule.disabled)
        return cls({**BUILT_IN, **stored}, tuple(sorted(enabled, key=lambda rule: rule.order)), version)

    def placement(self, placement_id: str, page: Page, field_name: str = "placement_id") -> Placement:
        """Return the placement of an id; of an empty one the built-in placement of the page. Raises NotFound."""
        found = self.placements.get(placement_id or built_in_id(page))
        if found is None:
            raise NotFound.of("placement", placement_id, field_name)
        return found

    def rules_at(self, moment: Moment) -> tuple[Rule, ...]:
        """Return the rules that hold at a moment, the ones that win first."""
        return tuple(rule for rule in self.rules if rule.condition.holds(moment))


NO_MERCHANDISING = Merchandising()
"""The built-in placements alone."""
