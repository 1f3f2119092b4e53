"""What a bandit learned counts less with age: half after each half-life."""

import numpy as np
import pytest

from services.feedback.bandit.learning import weighted
from shared.bandit.context import NAMES
from shared.bandit.posterior import RewardStatistics
from shared.bandit.reward import Reward
from shared.experiments.bandit_plan import BanditPlan
from shared.experiments.variant import Variant

PLAN = BanditPlan((Variant("a"), Variant("b")), Reward(click=1.0), half_life_days=2.0)


def day_of_clicks(n: int) -> RewardStatistics:
    return RewardStatistics.of(np.ones((n, len(NAMES))), np.ones(n))


def test_what_is_a_half_life_older_counts_half() -> None:
    days = {
        10: {"a": day_of_clicks(4)},
        8: {"a": day_of_clicks(4), "b": day_of_clicks(6)},
        6: {"gone": day_of_clicks(9)},
    }
    found = weighted(days, PLAN, 10)
    assert set(found) == {"a", "b"}
    assert found["a"].weight == pytest.approx(4 + 4 / 2)
    assert found["a"].moment[0] == pytest.approx(4 + 4 / 2)
    assert found["b"].weight == pytest.approx(6 / 2)
    assert (found["a"].decisions, found["b"].decisions) == (8, 6)
