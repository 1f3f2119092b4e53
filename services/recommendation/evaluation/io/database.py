"""The shop's own data, split at a moment."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import as_csr
from services.recommendation.algorithms.interactions import DAY, Interactions
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit
from services.recommendation.training.dataset import build_dataset
from services.recommendation.training.shown_reading import read_shown
from shared.consent import ALL_PERMITTED, Permissions
from shared.db.engine import Database
from shared.db.shown_lists import DEFAULT_LIMITS, ShownLimits
from shared.db.training_data import TrainingData, read_training_data
from shared.errors import FailedPrecondition, InvalidArgument

TEST_SHARE = 0.1
"""Share of the time span that is tested by default, the last."""


def split_database(
    database: Database,
    *,
    by_session: bool,
    cutoff: int | None = None,
    default: Permissions = ALL_PERMITTED,
    lists: ShownLimits = DEFAULT_LIMITS,
) -> TrainTestSplit:
    """Return the split of a database: what happened before `cutoff` is known.

    What the product agent found to be bought together is not known, since it learned it from all purchases.

    Parameters
    ----------
    database : Database
    by_session : bool
        Sessions are the baskets, of purchases too.
    cutoff : int, optional
        Unix seconds; by default the day at which the last tenth of the time span begins.
    default : Permissions
        Whether shoppers who said nothing are part of it.
    lists : ShownLimits
        Which of the lists that shoppers saw are part of it.

    Raises
    ------
    FailedPrecondition
        If there are no interactions.
    InvalidArgument
        If nothing happened before, or nothing since `cutoff`.
    """
    data = read_training_data(database, default)
    if not len(data.interactions):
        raise FailedPrecondition("there is nothing to evaluate on yet: import events first")
    dataset = build_dataset(_by_session(data) if by_session else data)
    everything = dataset.interactions
    moment = _default_cutoff(everything) if cutoff is None else cutoff
    before = everything.times < moment
    if before.all() or not before.any():
        raise InvalidArgument.of("cutoff", moment, f"must lie within the data, {_span(everything)} in Unix seconds")
    nothing = as_csr(sp.csr_array((everything.n_products, everything.n_products), dtype=np.float32))
    train = replace(everything.where(before), now=moment, complementary=nothing)
    test = everything.where(~before)
    counts = {"train": _counts(train), "test": _counts(test)}
    return TrainTestSplit(
        train, test, moment, timed=True, counts=counts, shown=read_shown(database, dataset, lists, default)
    )


def _by_session(data: TrainingData) -> TrainingData:
    events = data.interactions
    return replace(data, interactions=replace(events, purchases=np.zeros_like(events.purchases)))


def _default_cutoff(data: Interactions) -> int:
    first, last = int(data.times.min()), int(data.times.max())
    return int(last - TEST_SHARE * (last - first)) // DAY * DAY


def _span(data: Interactions) -> str:
    return f"{int(data.times.min())} to {int(data.times.max())}"


def _counts(data: Interactions) -> dict[str, int]:
    return {
        "events": len(data.customers),
        "customers": len(np.unique(data.customers)),
        "products": len(np.unique(data.products)),
    }
