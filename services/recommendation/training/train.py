"""Training, as a process of its own: `python -m services.recommendation.training.train`.

Reads everything, learns the hybrids on the last tenth of the time and evaluates them there beside best-sellers, trains
on all data, with the parameters that tuning chose, checks the result, and stores it as the new active version.
"""

import resource
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from quintet.type.v1.error_pb2 import ErrorReason

from services.recommendation.algorithms.base import Shopper
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.forgetting import FORGOTTEN
from services.recommendation.models.model import Model
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import NOTHING
from services.recommendation.reranker.model import score_by_algorithm
from services.recommendation.training.candidacy import NO_GATE, OFF, Candidacy, GatePlan, candidacy
from services.recommendation.training.dataset import TrainingDataset, build_dataset
from services.recommendation.training.eval_rounds import PastShoppers
from services.recommendation.training.fit import train
from services.recommendation.training.parameters import changed, read_tuned, tuned_algorithms
from services.recommendation.training.reranker_params import FIRST_TRAINING, RerankerParams
from services.recommendation.training.reranker_training import RerankerTrainingResult, train_rerankers
from services.recommendation.training.sample import MOST_INTERACTIONS
from services.recommendation.training.shown_impressions import bias_facts
from services.recommendation.training.shown_lists import ShownLists
from services.recommendation.training.shown_reading import read_shown
from shared.config import Settings
from shared.consent import ALL_PERMITTED, Permissions
from shared.db import forgotten, improvement_runs, models
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.db.improvement_runs import ImprovementRun
from shared.db.interactions import training_interactions
from shared.db.shown_lists import DEFAULT_LIMITS, ShownLimits
from shared.db.training_data import read_training_data
from shared.db.training_source import InteractionReader, interaction_reader
from shared.errors import FailedPrecondition, QuintetError
from shared.jobs import DRIFT_DAY, QUICK, TRIGGER, ProgressReporter, job_main

CHECKED_SHOPPERS = 20
LEARNING = (0.15, 0.55)
TRAINING = (0.55, 0.9)
"""Shares of the whole progress."""


class SelfCheckFailed(QuintetError):
    """The trained model gives answers that cannot be right; the version before stays in use."""


def work(settings: Settings, reporter: ProgressReporter) -> dict[str, Any]:
    """Train and return the version and the facts of the training.

    Raises FailedPrecondition when there is no product to learn about.
    """
    database = job_database(settings)
    params = FIRST_TRAINING if QUICK in sys.argv[1:] else RerankerParams()
    try:
        return run(
            database,
            reporter,
            settings.train_threads,
            settings.model_cache_dir,
            params,
            settings.permissions,
            interaction_reader(settings.training_source),
            settings.train_most_interactions,
            ShownLimits(settings.train_most_lists, settings.train_lists_days),
            gate_plan(settings, sys.argv[1:]),
        )
    finally:
        database.close()


def gate_plan(settings: Settings, arguments: Sequence[str] = ()) -> GatePlan:
    """Return how models are let through by the settings; the arguments of the process say what triggered it."""
    given = dict(each.split("=", 1) for each in arguments if "=" in each)
    day = given.get(DRIFT_DAY)
    return GatePlan(
        settings.gate,
        settings.gate_undecided,
        settings.gate_questions,
        settings.gate_holdout_days,
        settings.gate_margin,
        given.get(TRIGGER, improvement_runs.OPERATOR),
        None if day is None else int(day),
    )


def run(
    database: Database,
    reporter: ProgressReporter,
    threads: int,
    model_folder: str = "",
    params: RerankerParams | None = None,
    default: Permissions = ALL_PERMITTED,
    read_interactions: InteractionReader = training_interactions,
    most_interactions: int = MOST_INTERACTIONS,
    lists: ShownLimits = DEFAULT_LIMITS,
    gate: GatePlan = NO_GATE,
) -> dict[str, Any]:
    """Train on the data of `database`, store the new version there and return what came of it.

    `model_folder` is where the artefact is written before it is stored (`Settings.model_cache_dir`); `params` say how
    the rerankers are trained; `default` says whether it is learned from shoppers who said nothing; `read_interactions`
    returns what customers did; `most_interactions` bounds what the costly parts learn from, and `lists` the shown lists
    that the rerankers learn from beside it. A quick training learns from none of them. `gate` says whether the version
    is put in use, or waits for the test of the run that is returned.

    Raises Conflict where the gate is on and an improvement run is open.
    """
    params = params or RerankerParams()
    started = time.perf_counter()
    reporter.report("reading", 0.0)
    with database.read() as connection:
        algorithms = partial(tuned_algorithms, read_tuned(connection))
        live = models.active_model(connection, KIND)
        if gate.mode != OFF:
            improvement_runs.require_none_open(connection)
    dataset = build_dataset(read_training_data(database, default, read_interactions), by_popularity=True)
    if not len(dataset.product_keys):
        raise FailedPrecondition(
            "there is nothing to train on yet: add products first", reason=ErrorReason.DATA_MISSING
        )
    chance = candidacy(gate, live, dataset.interactions)
    known = chance.known(dataset.interactions)
    shown = None if params == FIRST_TRAINING else read_shown(database, dataset, lists, default)
    shown = shown.where(shown.times < known.now) if shown is not None and chance.cutoff else shown
    read = time.perf_counter()
    learning = _stages(reporter, "learning", *LEARNING)
    outcome = train_rerankers(
        known,
        algorithms,
        learning,
        threads=threads,
        params=params,
        most_interactions=most_interactions,
        shown=shown,
    )
    learned = time.perf_counter()
    data = replace(known, kind_weights=outcome.kind_weights)
    progress = _stages(reporter, "training", *TRAINING)
    model = train(data, algorithms(), progress, threads=threads, most_interactions=most_interactions)
    model = replace(model, learned=outcome.learned)
    fitted = time.perf_counter()
    reporter.report("checking", TRAINING[1])
    check(model, dataset)
    reporter.report("storing", 0.95)
    facts = model.metadata | {
        "evaluation": outcome.reports,
        "tuned": changed(model.algorithms.values()),
        "quick": params == FIRST_TRAINING,
        "rebuy_rate": round(outcome.learned.rebuy_rate, 4),
        "newcomer_weight": outcome.learned.newcomer_weight,
        "newcomers": outcome.newcomers,
        "kind_weights": [round(float(weight), 4) for weight in outcome.kind_weights],
        "shown_lists": _shown_facts(outcome, shown),
        "read_seconds": round(read - started, 2),
        "learn_seconds": round(learned - read, 2),
        "fit_seconds": round(fitted - learned, 2),
        "seconds": round(time.perf_counter() - started, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    version = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    store = ModelStore(database, model_folder)
    bundle = Bundle(model, dataset.product_keys, dataset.groups, dataset.customer_keys, dataset.forgotten)
    with database.read() as connection:  # some may have been erased, or have changed their mind, during the training
        bundle = bundle.without(forgotten.keys_after(connection, bundle.forgotten), forgotten.newest(connection))
    with database.read() as connection:
        spared = improvement_runs.versions_in_use(connection)
    stored = store.add(version, bundle, facts | {FORGOTTEN: bundle.forgotten}, spared)
    added = _add_run(database, gate, chance, version)
    return {
        "version": stored.version,
        "size_bytes": stored.size_bytes,
        "checksum": stored.checksum,
        "improvement_run_id": added.run_id,
        "improvement_state": added.state,
        **facts,
    }


def _add_run(database: Database, gate: GatePlan, chance: Candidacy, version: str) -> ImprovementRun:
    """Record the run of a stored version, and put the version in use where nothing is left to be shown."""
    new = ImprovementRun.of(
        improvement_runs.MODEL,
        chance.state,
        gate.trigger,
        chance.former,
        version,
        chance.reason,
        datetime.now(UTC),
        drift_day=gate.drift_day,
        cutoff=None if chance.cutoff is None else datetime.fromtimestamp(chance.cutoff, UTC),
    )
    with database.write() as connection:
        if chance.state == improvement_runs.LIVE:
            models.activate_in(connection, KIND, version)
        improvement_runs.add(connection, new)
    return new


def _shown_facts(outcome: RerankerTrainingResult, shown: ShownLists | None) -> dict[str, Any]:
    """Return how many shown lists there were, what was found of position bias, and the seconds that it took."""
    if shown is None:
        return {}
    return {
        "lists": len(shown),
        "with_response": int(shown.answered.sum()),
        "position_bias": bias_facts(outcome.biases),
        "seconds": round(outcome.shown_seconds, 2),
    }


def check(model: Model, dataset: TrainingDataset) -> None:
    """Raise SelfCheckFailed when scores are not finite, or nobody gets a list."""
    data = dataset.interactions
    some = np.flatnonzero(np.bincount(data.customers))[:CHECKED_SHOPPERS].tolist()
    pasts = PastShoppers(data.where(np.isin(data.customers, some)))
    shoppers = [pasts.shopper(customer, data.now + 1) for customer in some]
    scored = [model.scores(shopper) for shopper in (Shopper(data.now), *shoppers)]
    for scores in scored:
        bad = [name for name, values in scores.items() if not np.isfinite(values).all()]
        if bad:
            raise SelfCheckFailed(f"the trained model has scores that are not finite: {', '.join(bad)}")
    if some and not any(values.any() for scores in scored for values in scores.values()):
        raise SelfCheckFailed("the trained model recommends nothing to anybody")
    _check_rerankers(model, shoppers)


def _check_rerankers(model: Model, shoppers: list[Shopper]) -> None:
    """Raise SelfCheckFailed when a reranker gives values that are not finite."""
    for context, reranker in model.learned.rerankers.items():
        scores = score_by_algorithm(model.algorithms, reranker.algorithms, shoppers)
        candidates = Candidates.of(scores, [NOTHING] * len(shoppers), reranker.depth)
        values = reranker.values(candidates, shoppers, model.learned.item_features[reranker.target])
        if not np.isfinite(values).all():
            raise SelfCheckFailed(f"the trained reranker for {context} gives values that are not finite")


def _stages(reporter: ProgressReporter, verb: str, begin: float, end: float) -> Callable[[str, int, int], None]:
    return lambda stage, done, total: reporter.report(f"{verb}: {stage}", begin + (end - begin) * done / max(total, 1))


if __name__ == "__main__":
    raise SystemExit(job_main("recommendation", work))
