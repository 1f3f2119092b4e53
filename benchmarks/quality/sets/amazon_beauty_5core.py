"""Amazon Beauty, 5-core of the reviews until 2014, as prepared for S3-Rec."""

from pathlib import Path

import numpy as np

from benchmarks.quality.sets.dataset import Dataset, Evaluation, Split, Table, events, require
from benchmarks.quality.sets.lines import flat, read_lines
from services.recommendation.holdout.tasks import Protocol


def read(folder: Path) -> Split:
    """Return `sequences.txt.gz`, each customer's last product as the test and the others as train."""
    lines = read_lines(require(folder, "sequences.txt.gz")[0])
    return Split(_events([line[:-1] for line in lines]), _events([[line[0], line[-1]] for line in lines]))


def _events(lines: list[list[int]]) -> Table:
    lists = flat(lines)
    return events(*lists, event_type="purchase", order=np.arange(len(lists.products)))


DATASET = Dataset(
    name="amazon_beauty_5core",
    title="Amazon Beauty (5-core)",
    about="Reviewed products in order of time; each customer's last one is the test, all before it is train."
    " Products already reviewed are left out of the ranking.",
    read=read,
    rows=(176_139, 22_363),
    evaluations=(Evaluation(Protocol.NEXT_ITEM, k=10, questions=22_363),),
)
