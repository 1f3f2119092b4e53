"""Reads the lists that shoppers saw, in the rows of a training."""

from datetime import UTC, datetime, timedelta

from services.recommendation.models.key_rows import KeyRows
from services.recommendation.training.dataset import TrainingDataset
from services.recommendation.training.shown_lists import ShownLists
from shared.consent import ALL_PERMITTED, Permissions
from shared.db.engine import Database
from shared.db.shown_lists import DEFAULT_LIMITS, ShownLimits, shown_lists


def read_shown(
    database: Database,
    dataset: TrainingDataset,
    limits: ShownLimits = DEFAULT_LIMITS,
    default: Permissions = ALL_PERMITTED,
) -> ShownLists:
    """Return the latest lists that shoppers saw, of customers and products of a dataset.

    `default` says whether it is learned from shoppers who said nothing.
    """
    since = datetime.now(UTC) - timedelta(days=limits.days)
    customers, products = KeyRows.of(dataset.customer_keys), KeyRows.of(dataset.product_keys)
    with database.read() as connection:
        return ShownLists.of(shown_lists(connection, since, limits.most, default), customers, products)
