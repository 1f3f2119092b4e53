"""A validation split inside train that mirrors the protocol: what the hybrid learns from and `tune` chooses by.

The test events are not an argument of anything here.
"""

from dataclasses import dataclass, replace

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask, Rows
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.holdout.pairs import keys_of
from services.recommendation.holdout.protocols import customers_of, eval_cases
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task

HELD_SPAN = 0.1
"""Share of the time span that is held out, the last."""
HELD_PAIRS = 0.2
"""Share of a customer's pairs that is held out where there is no time."""
HELD_SESSIONS = 0.1
"""Share of the sessions that is held out, the latest."""
STRAY = 0.001
"""Share of the events at either end that do not stretch the time span: clocks that were wrong."""


@dataclass(frozen=True, eq=False)
class Split:
    """Which events stay known, which become answers (masks of shape (n_events,)), and when is asked."""

    known: Mask
    held: Mask
    now: int


def validation(task: Task, seed: int = 0, most: int | None = None) -> tuple[Task, list[EvalCase]]:
    """Split train as the protocol splits train and test.

    =============================  ===========================================================================
    top-n, next-basket, timed      the last tenth of the time span
    top-n, untimed                 a random fifth of each customer's pairs of the target kind, one at least of two
    next-basket, untimed           each customer's last basket of the target kind
    next-item                      each customer's last event of the target kind, by chance among equal times
    session                        the latest tenth of the sessions, by their last event
    =============================  ===========================================================================

    Where single events are held out, those of other kinds with the same product stay; in timed data the customer's
    later events leave as well, since they would not be known at that moment. A customer whose only event would be held
    out keeps it.

    Parameters
    ----------
    task : Task
        The task whose train is split.
    seed : int
        Seed of every choice by chance.
    most : int or None
        Ask at most so many questions, drawn at random.

    Returns
    -------
    task : Task
        The same protocol, with the train of before.
    questions : list of EvalCase
        What was held out; empty where the split leaves nobody to ask.
    """
    train = task.train
    if not len(train.customers):
        return task, []
    split = _split(task, np.random.default_rng(seed))
    inner = replace(task, train=replace(train.where(split.known), now=split.now))
    asked = eval_cases(
        task.protocol,
        inner.train,
        train.where(split.held),
        target=task.target,
        exclude_seen=task.exclude_seen,
        cutoff=split.now,
        every_kind=task.every_kind,
        most=most,
        seed=seed,
    )
    return inner, asked


def _split(task: Task, rng: np.random.Generator) -> Split:
    if task.protocol is Protocol.SESSION:
        return _latest_sessions(task.train, rng)
    if task.protocol is Protocol.NEXT_ITEM:
        return _without(task, _last_events(task, rng))
    if task.timed:
        return latest_span(task.train)
    if task.protocol is Protocol.NEXT_BASKET:
        return _without(task, _last_baskets(task))
    return _without(task, _random_pairs(task, rng))


def latest_span(train: Interactions) -> Split:
    """Return the split that holds out the last tenth of the time span; `train` must not be empty."""
    first, last = np.quantile(train.times, [STRAY, 1.0 - STRAY])
    cutoff = int(np.ceil(last - HELD_SPAN * (last - first)))
    held = train.times >= cutoff
    return Split(~held, held, cutoff)


def _latest_sessions(train: Interactions, rng: np.random.Generator) -> Split:
    _, of_event = np.unique(train.baskets, return_inverse=True)
    last = np.full(of_event.max() + 1, np.iinfo(np.int64).min)
    np.maximum.at(last, of_event, train.times)
    order = np.lexsort((rng.permutation(len(last)), last))
    latest = order[len(order) - int(np.ceil(HELD_SESSIONS * len(order))) :]
    held = np.isin(of_event, latest)
    return Split(~held, held, int(last[latest].min()))


def _last_events(task: Task, rng: np.random.Generator) -> Mask:
    """Return each customer's last event of the target kind."""
    train = task.train
    events = _of_target(task)
    order = events[np.lexsort((rng.permutation(len(events)), train.times[events], train.customers[events]))]
    return _mask(order[_ends(train.customers[order])], train)


def _last_baskets(task: Task) -> Mask:
    """Return the events of the target kind in each customer's last basket of that kind."""
    train = task.train
    events = _of_target(task)
    order = events[np.lexsort((train.times[events], train.customers[events]))]
    baskets = train.baskets[order[_ends(train.customers[order])]]
    held: Mask = (train.kinds == task.target) & np.isin(train.baskets, baskets)
    return held


def _random_pairs(task: Task, rng: np.random.Generator) -> Mask:
    """Return the events of the target kind of a random share of each customer's products."""
    train = task.train
    keys = keys_of(train)
    pairs = np.unique(keys[_of_target(task)])
    customers = pairs // train.n_products
    shuffled = pairs[np.lexsort((rng.permutation(len(pairs)), customers))]
    starts = np.searchsorted(customers, customers)
    count = np.searchsorted(customers, customers, "right") - starts
    share = np.maximum(np.round(HELD_PAIRS * count), count > 1)
    chosen = shuffled[np.arange(len(pairs)) - starts < share]
    held: Mask = (train.kinds == task.target) & np.isin(keys, chosen)
    return held


def _without(task: Task, held: Mask) -> Split:
    """Return the split that holds out some events, with what came after them where there is time."""
    train = task.train
    moment = np.full(train.n_customers, np.iinfo(np.int64).max)
    np.minimum.at(moment, train.customers[held], train.times[held])
    later = task.timed & (train.times > moment[train.customers])
    known = ~held & ~later
    left = np.bincount(train.customers[known], minlength=train.n_customers) > 0
    emptied = ~left & (customers_of(train) > 0)
    kept = emptied[train.customers]
    return Split(known | kept, held & ~kept, train.now)


def _of_target(task: Task) -> Longs:
    return np.flatnonzero(task.train.kinds == task.target)


def _ends(ordered: Rows) -> Mask:
    """Return where a run of equal numbers ends."""
    return np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]


def _mask(events: Longs, train: Interactions) -> Mask:
    mask = np.zeros(len(train.customers), dtype=bool)
    mask[events] = True
    return mask
