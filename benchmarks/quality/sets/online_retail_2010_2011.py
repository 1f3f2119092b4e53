"""Online Retail (UCI): invoices of a British gift shop."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.quality.sets.dataset import Dataset, Evaluation, Split, Table, events, require
from services.recommendation.holdout.tasks import Protocol

CUTOFF = np.datetime64("2011-11-09")
"""A month before the last day."""


def read(folder: Path) -> Split:
    """Return `transactions.parquet` without cancellations and guests, the last month as test."""
    return split(pq.read_table(require(folder, "transactions.parquet")[0]))


def split(lines: Table) -> Split:
    """Return the lines of invoices before and from 2011-11-09, those of customers who are named and did not cancel."""
    named = pc.is_valid(lines["CustomerID"])
    kept = lines.filter(pc.and_not(named, pc.starts_with(lines["InvoiceNo"], "C")))
    later = pc.greater_equal(kept["InvoiceDate"], pa.scalar(CUTOFF.astype("datetime64[ms]")))
    return Split(_events(kept.filter(pc.invert(later))), _events(kept.filter(later)))


def _events(lines: Table) -> Table:
    return events(
        lines["CustomerID"],
        lines["StockCode"],
        event_type="purchase",
        timestamp=lines["InvoiceDate"].cast(pa.timestamp("us")),
        quantity=lines["Quantity"],
        price=lines["UnitPrice"],
        session_id=lines["InvoiceNo"],
    )


DATASET = Dataset(
    name="online_retail_2010_2011",
    title="Online Retail",
    about="Invoices of a gift shop without cancellations and guests; train before 9 November 2011, the test is each"
    " customer's first invoice of the month from then. Nothing is published for it: the baselines of this"
    " run stand for that.",
    read=read,
    rows=(331_464, 66_460),
    evaluations=(Evaluation(Protocol.NEXT_BASKET, k=10, questions=None),),
)
