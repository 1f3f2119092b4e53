"""One evaluation in a process of its own, so that its times and its memory are its own.

`python -m benchmarks.quality.child ORDER`, where ORDER is a JSON object with the fields of `Order`. Progress goes to
standard error; what was found is written to the order's `out`.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.quality import ablation
from benchmarks.quality.order import ABLATE, NO_DATA, PREPARE, Order
from benchmarks.quality.sets import BY_NAME
from benchmarks.quality.sets.dataset import Evaluation, MissingData, write
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.algorithms.registry import default_algorithms
from services.recommendation.evaluation import ranker_registry
from services.recommendation.evaluation.io.files import read_events
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit, split_files
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.run import EvaluationPlan, evaluate
from services.recommendation.holdout.tasks import Protocol, Ranker
from services.recommendation.training.fit import has_input


def main(argument: str) -> None:
    """Do what the argument orders."""
    order = Order(**json.loads(argument))
    started = time.perf_counter()
    found = _prepared(order) if order.task == PREPARE else _evaluated(order)
    found["seconds"] = round(time.perf_counter() - started, 1)
    Path(order.out).write_text(json.dumps(found))


def plan_of(name: str, evaluation: Evaluation, order: Order) -> EvaluationPlan:
    """Return what is asked in an evaluation of a data set."""
    return EvaluationPlan(
        dataset=name,
        protocol=evaluation.protocol,
        ks=(evaluation.k,),
        recall_over=evaluation.recall_over,
        shortest_session=evaluation.shortest_session,
        resamples=order.bootstrap,
        seed=order.seed,
        most_questions=order.most_questions,
        threads=order.threads,
    )


def _prepared(order: Order) -> dict[str, Any]:
    return {"rows": write(BY_NAME[order.dataset], Path(order.data), Path(order.cache))}


def _evaluated(order: Order) -> dict[str, Any]:
    dataset = BY_NAME[order.dataset]
    evaluation = dataset.evaluations[order.evaluation]
    train, test = (read_events(Path(order.cache) / f"{part}.parquet") for part in ("train", "test"))
    split_data = split_files(train, test, by_session=evaluation.protocol is Protocol.SESSION)
    del train, test
    plan = plan_of(dataset.name, evaluation, order)
    if order.task == ABLATE:
        few = replace(plan, most_questions=min(ablation.MOST_QUESTIONS, plan.most_questions or sys.maxsize))
        return evaluate(
            split_data, few, ablation.rankers(_parts(order, split_data.train), order.threads), _show
        ).as_dict()
    names, missing = _names(order, plan, split_data)
    rankers = ranker_registry.with_served(_ranker(name, order) for name in names)
    report = evaluate(split_data, plan, rankers, _show)
    report.settings |= {"skipped": missing}
    return report.as_dict()


def _parts(order: Order, train: Interactions) -> list[str]:
    """Return the names of the algorithms that are left out one after the other."""
    parts = [each.name for each in default_algorithms() if has_input(each, train)]
    return [name for name in parts if name in (order.algorithms or parts)]


def _names(order: Order, plan: EvaluationPlan, split_data: TrainTestSplit) -> tuple[list[str], dict[str, str]]:
    """Return the names of those that take part, the product first, and of those that cannot with the reason."""
    train = split_data.train
    protocol, target, _ = plan.settled(split_data)
    no_input = {each.name: "nothing to learn from" for each in default_algorithms() if not has_input(each, train)}
    wanted = list(order.algorithms or ranker_registry.names())
    missing = ranker_registry.missing(wanted) | ranker_registry.unsuited(wanted, protocol, train, target)
    missing |= {name: why for name, why in no_input.items() if name in wanted}
    return [name for name in wanted if name not in missing], missing


def _ranker(name: str, order: Order) -> Ranker:
    if name == OfflineRanker.name:
        return OfflineRanker(threads=order.threads)
    return ranker_registry.rankers([name], seed=order.seed, threads=order.threads)[0]


def _show(stage: str, fraction: float) -> None:
    if sys.stderr.isatty():
        print(f"\r  {100 * fraction:3.0f} % {stage:<60}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except MissingData as reason:
        print(f"  {reason}", file=sys.stderr)
        raise SystemExit(NO_DATA) from reason
