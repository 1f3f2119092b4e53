"""Gowalla: check-ins at places, the split of NGCF and LightGCN."""

from pathlib import Path

from benchmarks.quality.sets.dataset import Dataset, Evaluation, Split, events, require
from benchmarks.quality.sets.lines import flat, read_lines, shuffled
from services.recommendation.holdout.tasks import Protocol


def read(folder: Path) -> Split:
    """Return `train.txt.gz` and `test.txt.gz`. The order in a line means nothing, so it is drawn at random."""
    train, test = (shuffled(flat(read_lines(path))) for path in require(folder, "train.txt.gz", "test.txt.gz"))
    return Split(events(*train, event_type="purchase"), events(*test, event_type="purchase"))


DATASET = Dataset(
    name="gowalla_lightgcn",
    title="Gowalla",
    about="Check-ins, split at random as for NGCF and LightGCN; places of train are left out of the ranking; recall is"
    " over all relevant places, as in the published tables. Neither file has times. The test is no even fifth: it has"
    " 34 % of the pairs of places with 1,000 visitors or more, 24 % with 200 to 999, 21 % of the others. A random split"
    " inside train cannot know that, so what is learned on one trusts popular places less than this test rewards.",
    read=read,
    rows=(810_128, 217_242),
    evaluations=(Evaluation(Protocol.TOP_N_DISCOVERY, k=20, questions=29_858, recall_over="all"),),
)
