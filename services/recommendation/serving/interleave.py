"""A list that is drawn from the lists of two arms, so that clicks say which of them is preferred."""

from dataclasses import replace

import numpy as np

from services.recommendation.request import Choice
from shared.experiments.experiment import Design

STRATEGY = "interleaved"


def interleaved_choice(
    first: Choice, second: Choice, design: Design, limit: int, random: np.random.Generator
) -> tuple[Choice, tuple[float, ...]]:
    """Return a list of two, and what a click on each place says: above 0 for the first, below 0 for the second.

    A product that both have is shown as the list has it that the click would speak for.
    """
    from shared.interleaving import optimised, team_draft  # loads scipy.optimize, which nothing else needs here

    by_key = [{pick.product_key: pick for pick in choice.picks} for choice in (first, second)]
    draw = team_draft if design is Design.TEAM_DRAFT else optimised
    if not first.picks and not second.picks:
        return first, ()
    drawn = draw([*by_key[0]], [*by_key[1]], limit, random)
    picks = tuple(
        by_key[1][key] if key in by_key[1] and (credit < 0 or key not in by_key[0]) else by_key[0][key]
        for key, credit in zip(drawn.items, drawn.credits, strict=True)
    )
    failed = tuple(dict.fromkeys((*first.failed, *second.failed)))
    whole = replace(first, picks=picks, strategy=STRATEGY, failed=failed, exhausted=first.exhausted or second.exhausted)
    return whole, drawn.credits
