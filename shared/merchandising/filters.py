"""What the rules in force add to the filters of a page."""

from collections.abc import Sequence

from shared.filters.tree import And, Expression, Not
from shared.merchandising.rule import Exclude, Rule


def both(*expressions: Expression | None) -> Expression | None:
    """Return the expression that holds where all of them do; None stands for one that always holds."""
    given = tuple(dict.fromkeys(each for each in expressions if each is not None))
    if len(given) < 2:
        return given[0] if given else None
    return And(given)


def not_excluded(rules: Sequence[Rule]) -> Expression | None:
    """Return the expression of what no rule excludes; None where none does."""
    return both(*(Not(rule.filter) for rule in rules if isinstance(rule.action, Exclude) and rule.filter is not None))
