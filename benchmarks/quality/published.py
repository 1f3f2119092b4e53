"""What others have reached on the same questions, and what is asked of us."""

from dataclasses import dataclass, field

from benchmarks.quality.sets.dataset import Dataset, Evaluation

PUBLISHED = "published"
UNTUNED = "untuned"
"""Kinds of values: printed in a paper or by a project, or of quick models of our own, counted by the same rules."""

BARS = "Zhu et al., BARS, SIGIR 2022 (reczoo/BARS)"
QUICK = "a quick model of our own, not tuned, counted by the same rules"
TIGER = "as tabulated by Rajput et al., TIGER, NeurIPS 2023 (quoted at second hand)"


@dataclass(frozen=True)
class Value:
    """What a model reached: metrics by name, who says so, and of what kind the source is."""

    model: str
    metrics: dict[str, float]
    source: str
    kind: str = PUBLISHED


@dataclass(frozen=True)
class Aim:
    """What is known of one evaluation, and what is asked for.

    Parameters
    ----------
    known : tuple of Value
        What others have reached.
    reach, beyond : dict of str to float
        What is asked for, and what would be more than that, by metric; empty where the aim is to be ahead of every
        baseline with intervals apart.
    """

    known: tuple[Value, ...] = ()
    reach: dict[str, float] = field(default_factory=dict)
    beyond: dict[str, float] = field(default_factory=dict)

    def best_known(self, metric: str) -> Value | None:
        """Return the highest value of a metric that others have published."""
        return self._best(metric, PUBLISHED)

    def best_quick(self, metric: str) -> Value | None:
        """Return the highest value of a metric by a quick model of our own."""
        return self._best(metric, UNTUNED)

    def _best(self, metric: str, kind: str) -> Value | None:
        there = [value for value in self.known if metric in value.metrics and value.kind == kind]
        return max(there, key=lambda value: value.metrics[metric], default=None)


def _top(recall: float, ndcg: float) -> dict[str, float]:
    return {"recall": recall, "ndcg": ndcg}


def _session(hit_rate: float, mrr: float) -> dict[str, float]:
    return {"hit_rate": hit_rate, "mrr": mrr}


def _hits(hit_rate: float, ndcg: float) -> dict[str, float]:
    return {"hit_rate": hit_rate, "ndcg": ndcg}


AIMS: dict[tuple[str, str], Aim] = {
    ("completejourney", "top-n"): Aim(
        known=(
            Value("decayed frequency + neighbours", _top(0.3296, 0.3714), QUICK, UNTUNED),
            Value("decayed frequency, 120 days", _top(0.3293, 0.3682), QUICK, UNTUNED),
            Value("personal frequency", _top(0.3148, 0.3536), QUICK, UNTUNED),
            Value("ALS", _top(0.1734, 0.1922), QUICK, UNTUNED),
            Value("most popular", _top(0.1215, 0.1460), QUICK, UNTUNED),
        ),
        reach=_top(0.337, 0.380),
        beyond=_top(0.350, 0.395),
    ),
    ("completejourney", "top-n-discovery"): Aim(
        known=(
            Value("EASE", _top(0.0500, 0.0503), QUICK, UNTUNED),
            Value("ALS", {"recall": 0.0456}, QUICK, UNTUNED),
            Value("most popular", _top(0.0403, 0.0392), QUICK, UNTUNED),
        ),
        reach=_top(0.054, 0.054),
        beyond=_top(0.060, 0.060),
    ),
    ("gowalla_lightgcn", "top-n-discovery"): Aim(
        known=(
            Value("SimpleX", _top(0.1872, 0.1557), "Mao et al., SimpleX, CIKM 2021"),
            Value("UltraGCN", _top(0.1862, 0.1580), "Mao et al., UltraGCN, CIKM 2021"),
            Value("GF-CF", _top(0.1849, 0.1518), "Shen et al., CIKM 2021"),
            Value("LightGCN", _top(0.1830, 0.1554), "He et al., SIGIR 2020"),
            Value("EASE-R", _top(0.1765, 0.1467), BARS),
            Value("SLIM", _top(0.1699, 0.1382), BARS),
            Value("Mult-VAE", _top(0.1641, 0.1335), "He et al., SIGIR 2020"),
            Value("MF-BPR", _top(0.1627, 0.1378), BARS),
            Value("ItemKNN", _top(0.1570, 0.1214), BARS),
            Value("NGCF", _top(0.1570, 0.1327), "He et al., SIGIR 2020"),
            Value("most popular", _top(0.0416, 0.0317), BARS),
        ),
        reach=_top(0.1872, 0.1557),
        beyond=_top(0.1920, 0.1597),
    ),
    ("amazon_beauty_5core", "next-item"): Aim(
        known=(
            Value("transitions + EASE", _top(0.0994, 0.0620), QUICK, UNTUNED),
            Value("TIGER", _top(0.0648, 0.0384), TIGER),
            Value("S3-Rec", _top(0.0647, 0.0327), TIGER),
            Value("SASRec", _top(0.0605, 0.0318), TIGER),
            Value("BERT4Rec", _top(0.0347, 0.0170), TIGER),
            Value("GRU4Rec", _top(0.0283, 0.0137), TIGER),
        ),
        reach=_top(0.102, 0.064),
        beyond=_top(0.110, 0.070),
    ),
    ("retailrocket_sessions", "session"): Aim(
        known=(Value("VS-kNN", _session(0.5494, 0.2714), QUICK, UNTUNED),),
        reach=_session(0.565, 0.280),
        beyond=_session(0.590, 0.295),
    ),
    ("serenade_example", "session"): Aim(
        known=(Value("VMIS-kNN, tuned", {"mrr": 0.3401}, "README of Serenade (bolcom/serenade)"),),
        reach={"mrr": 0.3401},
        beyond={"mrr": 0.350},
    ),
    ("tmall_multibehavior", "next-item"): Aim(
        known=(Value("EASE on purchases + seen", _hits(0.2902, 0.1456), QUICK, UNTUNED),),
        reach=_hits(0.310, 0.158),
        beyond=_hits(0.340, 0.175),
    ),
}
"""By data set and protocol."""


def aim_of(dataset: Dataset, evaluation: Evaluation) -> Aim:
    """Return what is known and asked for; nothing where there is nothing published."""
    return AIMS.get((dataset.name, evaluation.protocol.value), Aim())
