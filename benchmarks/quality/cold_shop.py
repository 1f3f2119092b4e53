"""A shop at a moment, with customers and products that the training did not see, and the questions about them.

What is withheld says `benchmarks/quality/cold.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.quality.described import DescribedShop
from benchmarks.quality.page_rules import MOST_EVENTS, some_customers
from services.recommendation.algorithms.arrays import Longs, Mask
from services.recommendation.algorithms.interactions import DAY, Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.histories import CustomerHistories
from services.recommendation.holdout.protocols import products_of
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task

WINDOW = 28 * DAY
"""How long answers count, and how long before the moment the latest products were added."""
WITHHELD_CUSTOMERS = 0.1
WITHHELD_PRODUCTS = 0.03
FEW = 3
"""Events of a new customer, and events of a cold product in training, at most."""
APART: Mapping[str, str] = {"unmet, apart": "unmet", "added, apart": "added"}
"""Slices whose questions are asked again of a page that shows cold products alone."""


@dataclass(frozen=True, eq=False)
class ColdShop:
    """A shop at a moment, with customers and products that the training did not see.

    Parameters
    ----------
    task : Task
        What is learned from: the first `task.train.n_products` rows of the catalogue.
    everything : Interactions
        All products, without events.
    cases : list of EvalCase
        Questions of known customers.
    strangers, newcomers : list of EvalCase
        Questions of customers whom the training does not know, before their first event and after one to three.
    slices : dict of str to ndarray of shape (n_products,), bool
        The products that count as answers in each slice of the questions of known customers.
    """

    task: Task
    everything: Interactions
    cases: list[EvalCase]
    strangers: list[EvalCase]
    newcomers: list[EvalCase]
    slices: dict[str, Mask]

    @classmethod
    def at(cls, shop: DescribedShop, moment: int, most: int, seed: int) -> "ColdShop":
        """Return the shop at a moment, with at most `most` questions of each kind."""
        rng = np.random.default_rng(seed)
        data, n_known = _launched_last(some_customers(shop.events, MOST_EVENTS, seed), moment - WINDOW)
        n = data.n_products
        launched = np.arange(n) >= n_known
        sold = np.flatnonzero(products_of(data.where(data.times < moment)) * ~launched > 0)
        unmet = np.isin(np.arange(n), rng.choice(sold, round(WITHHELD_PRODUCTS * len(sold)), replace=False))
        customers = np.unique(data.customers)
        new = np.isin(
            np.arange(data.n_customers), rng.choice(customers, round(WITHHELD_CUSTOMERS * len(customers)), False)
        )
        before = data.where((data.times < moment) & ~unmet[data.products])
        after = data.where((data.times >= moment) & (data.times < moment + WINDOW))
        train = _first_products(before.where(~new[before.customers] & ~launched[before.products]), n_known, moment)
        events = np.append(products_of(train), np.zeros(n - n_known, np.int64))
        slices = {
            "all": np.ones(n, np.bool_),
            "met": events > 0,
            "unmet": unmet,
            "few": (events > 0) & (events <= FEW),
            "added": launched,
        }
        known, unknown = after.where(~new[after.customers]), after.where(new[after.customers])
        return cls(
            task=Task(train, Protocol.TOP_N_DISCOVERY, Kind.PURCHASE, exclude_seen=True),
            everything=data.where(np.zeros(len(data.customers), np.bool_)),
            cases=_drawn(list(_of_known(before, known, moment)), most, rng),
            strangers=_drawn(list(_of_new(unknown, moment, [0], rng)), most, rng),
            newcomers=_drawn(list(_of_new(unknown, moment, range(1, FEW + 1), rng)), most, rng),
            slices=slices,
        )

    def questions(self) -> Iterator[tuple[str, list[EvalCase]]]:
        """Return the questions of each slice."""
        for name in self.slices:
            yield name, self._of_slice(name)
        met = np.flatnonzero(self.slices["met"]).astype(np.int32)
        for name, slice_ in APART.items():
            yield name, [replace(case, excluded=np.union1d(case.excluded, met)) for case in self._of_slice(slice_)]
        yield "stranger", self.strangers
        yield "newcomer", self.newcomers

    def _of_slice(self, name: str) -> list[EvalCase]:
        products = self.slices[name]
        answers = [replace(case, targets=case.targets[products[case.targets]]) for case in self.cases]
        return [case for case in answers if len(case.targets)]


def _launched_last(data: Interactions, launch: int) -> tuple[Interactions, int]:
    """Return the data with the products that were added from a moment on in the last rows, and how many others."""
    late = data.added >= launch
    order = np.argsort(late, kind="stable")
    row_of = np.empty(len(order), np.int32)
    row_of[order] = np.arange(len(order))
    moved = {name: getattr(data, name)[order] for name in ("embeddings", "added", "category")}
    return replace(data, products=row_of[data.products], **moved), int((~late).sum())


def _first_products(data: Interactions, n: int, moment: int) -> Interactions:
    """Return the data, whose events are all with the first `n` products, without the others."""
    parts = {name: getattr(data, name)[:n] for name in ("embeddings", "category")}
    relations = {name: getattr(data, name)[:n, :n] for name in ("similar", "complementary")}
    return replace(data, n_products=n, now=moment, added=np.minimum(data.added[:n], moment), **parts, **relations)


def _of_known(before: Interactions, after: Interactions, moment: int) -> Iterator[EvalCase]:
    """Ask customers with a history what they buy for the first time."""
    histories = CustomerHistories(before, moment)
    for customer, events in _by_customer(after):
        shopper = histories.shopper(customer)
        targets = np.setdiff1d(after.products[events], shopper.bought).astype(np.int32)
        if len(shopper.products) and len(targets):
            yield EvalCase(shopper, targets, shopper.bought, customer)


def _of_new(after: Interactions, moment: int, known: Sequence[int], rng: np.random.Generator) -> Iterator[EvalCase]:
    """Ask customers without a history what they buy after so many events, one of `known` by chance."""
    for customer, events in _by_customer(after):
        n = int(rng.choice(known))
        first = events[:n]
        shopper = Shopper(
            now=moment,
            products=after.products[first],
            kinds=after.kinds[first],
            quantities=after.quantities[first],
            times=np.full(len(first), moment - DAY, np.int64),
            baskets=after.baskets[first],
        )
        targets = np.setdiff1d(after.products[events], shopper.bought).astype(np.int32)
        if len(targets):
            yield EvalCase(shopper, targets, shopper.bought, customer)


def _by_customer(data: Interactions) -> Iterator[tuple[int, Longs]]:
    """Return each customer and the positions of their events, oldest first."""
    order = np.lexsort((data.times, data.customers))
    customers, starts = np.unique(data.customers[order], return_index=True)
    yield from zip(customers.tolist(), np.split(order, starts[1:]), strict=True)


def _drawn(cases: list[EvalCase], most: int, rng: np.random.Generator) -> list[EvalCase]:
    chosen = np.sort(rng.permutation(len(cases))[:most])
    return [cases[place] for place in chosen.tolist()]
