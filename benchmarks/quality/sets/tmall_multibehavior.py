"""Tmall: views, carts and purchases, the split of MB-CGCN."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.quality.sets.dataset import Dataset, Evaluation, Split, events, require
from benchmarks.quality.sets.lines import Lists, flat, read_lines, shuffled
from services.recommendation.holdout.tasks import Protocol

BEHAVIOURS = {"view": "view", "cart": "cart", "buy": "purchase"}
"""The files' words with ours, weakest first: their order in train, as no file has times."""


def read(folder: Path) -> Split:
    """Return `{view,cart,buy}.train.txt.gz` as train and `buy.test.txt.gz` as test.

    The order in a line means nothing (views are sorted by number, carts and purchases shuffled), so it is drawn anew.
    """
    *train, test = require(folder, *(f"{behaviour}.train.txt.gz" for behaviour in BEHAVIOURS), "buy.test.txt.gz")
    known = [shuffled(flat(read_lines(path))) for path in train]
    return Split(_events(known, list(BEHAVIOURS.values())), _events([flat(read_lines(test))], ["purchase"]))


def _events(parts: list[Lists], types: list[str]) -> Any:
    tables = [events(*part, event_type=[word] * len(part.products)) for part, word in zip(parts, types, strict=True)]
    table = pa.concat_tables(tables)
    return table.append_column("order", pa.array(np.arange(table.num_rows)))


DATASET = Dataset(
    name="tmall_multibehavior",
    title="Tmall",
    about="Views, carts and purchases; the test is one purchase of each customer. Products already bought are left out"
    " of the ranking, viewed ones are not. No file has times.",
    read=read,
    rows=(1_130_712, 15_449),
    evaluations=(Evaluation(Protocol.NEXT_ITEM, k=10, questions=15_449, metrics=("hit_rate", "ndcg")),),
)
