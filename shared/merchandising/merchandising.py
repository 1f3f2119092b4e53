"""All placements, rules and experiments that are in force, as one immutable value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.bandit.posterior import Posterior
from shared.errors import NotFound
from shared.experiments.experiment import Experiment
from shared.merchandising.placement import BUILT_IN, Placement, built_in_id
from shared.merchandising.rule import Moment, Rule
from shared.page_rules import Page


@dataclass(frozen=True)
class Merchandising:
    """Placements by id, those that are built in included, rules, the ones that win first, and experiments by id.

    `switched_off` has the rules that hold only where a variant says so. `version` is the number of the last change that
    is in here; `posteriors` has what is believed of the variants of bandits, by placement and variant,
    where bandits choose.
    """

    placements: Mapping[str, Placement] = field(default_factory=lambda: dict(BUILT_IN))
    rules: tuple[Rule, ...] = ()
    version: int = 0
    switched_off: tuple[Rule, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    posteriors: Mapping[str, Mapping[str, Posterior]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        placements: Iterable[Placement],
        rules: Iterable[Rule],
        version: int = 0,
        experiments: Iterable[Experiment] = (),
    ) -> "Merchandising":
        """Return what is stored, with the built-in placements where no stored one replaces them."""
        stored = {each.placement_id: each for each in placements}
        ordered = sorted(rules, key=lambda rule: rule.order)
        return cls(
            {**BUILT_IN, **stored},
            tuple(rule for rule in ordered if not rule.disabled),
            version,
            tuple(rule for rule in ordered if rule.disabled),
            tuple(sorted(experiments, key=lambda each: each.experiment_id)),
        )

    def placement(self, placement_id: str, page: Page, field_name: str = "placement_id") -> Placement:
        """Return the placement of an id; of an empty one the built-in placement of the page. Raises NotFound."""
        found = self.placements.get(placement_id or built_in_id(page))
        if found is None:
            raise NotFound.of("placement", placement_id, field_name)
        return found

    @property
    def named_models(self) -> list[str]:
        """Versions of models that arms of experiments and variants of bandits name, each once."""
        arms = (arm.variant for experiment in self.experiments for arm in experiment.arms)
        plans = (placement.bandit for placement in self.placements.values())
        choices = (each for plan in plans if plan is not None for each in plan.variants)
        return list(dict.fromkeys(each.model_version for each in (*arms, *choices) if each.model_version))

    def rules_at(self, moment: Moment, placement: Placement | None = None) -> tuple[Rule, ...]:
        """Return the rules that hold at a moment, the ones that win first, as the variant of a `placement` has them."""
        rules: Iterable[Rule] = self.rules
        if placement is not None and (placement.with_rules or placement.without_rules):
            added = (rule for rule in self.switched_off if rule.rule_id in placement.with_rules)
            kept = (rule for rule in self.rules if rule.rule_id not in placement.without_rules)
            rules = sorted((*kept, *added), key=lambda rule: rule.order)
        return tuple(rule for rule in rules if rule.condition.holds(moment))


NO_MERCHANDISING = Merchandising()
"""The built-in placements alone."""
