"""The example project of Serenade: clicks in sessions."""

from pathlib import Path

import numpy as np
import pyarrow.csv as csv

from benchmarks.quality.sets.dataset import Dataset, Evaluation, Split, Table, events, require
from services.recommendation.holdout.tasks import Protocol


def read(folder: Path) -> Split:
    """Return `train.tsv.gz` and `test.tsv.gz`; Serenade's evaluator does not train on the valid ones either."""
    train, test = (_events(path) for path in require(folder, "train.tsv.gz", "test.tsv.gz"))
    return Split(train, test)


def _events(path: Path) -> Table:
    clicks = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter="\t"))
    seconds = np.round(clicks["Time"].to_numpy())
    return events(
        None,
        clicks["ItemId"],
        event_type="view",
        timestamp=seconds.astype(np.int64).astype("datetime64[s]").astype("datetime64[us]"),
        session_id=clicks["SessionId"],
    )


DATASET = Dataset(
    name="serenade_example",
    title="Serenade's example",
    about="Clicks in sessions, 2020; asked is after every item of a test session. Counted as Serenade's evaluator does:"
    " train is the training file alone, a target that is not among the 20 counts 0.",
    read=read,
    rows=(113_601, 1_233),
    evaluations=(Evaluation(Protocol.SESSION, k=20, questions=931, metrics=("mrr", "hit_rate")),),
)
