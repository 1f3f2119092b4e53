"""Whether the clicks on a placement or page fell on a day: what takes back a change that was made shortly before."""

from datetime import datetime, timedelta
from typing import Any

from shared.db.drift_checks import DriftCheck
from shared.db.improvement_runs import LIVE, ImprovementRun
from shared.db.metric_cells import start_of

WATCHED = timedelta(days=7)
"""For so long after a change it is taken back when the response falls."""
CLICKS = "click-through rate"
"""How the subjects of tests begin that are about clicks."""


def fallen_after(check: DriftCheck, run: ImprovementRun | None, now: datetime) -> str:
    """Return what fell on the day of a look, as a sentence, if a run's change was live then and is recent; else ''."""
    fallen = [each for each in check.tests if _fell(each)]
    if not fallen or run is None or run.state != LIVE or now - run.state_since >= WATCHED:
        return ""
    if run.state_since >= start_of(check.day + 1):
        return ""  # the day was over before the change
    return f"The {fallen[0]['subject']} fell by {-fallen[0]['size']:.1%} after it."


def _fell(test: dict[str, Any]) -> bool:
    """Return whether a test found that the clicks of a placement or page fell.

    Conversions are those of days before most changes, and an algorithm that is shown elsewhere is clicked otherwise.
    """
    of_page = test["subject"].startswith(CLICKS) and "algorithm " not in test["subject"]
    return bool(test["found"] and of_page and test["size"] < 0)
