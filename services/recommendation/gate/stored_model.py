"""A stored model behind the pages of a shop, asked about questions that lie in the rows of a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Rows
from services.recommendation.algorithms.content import unit_rows
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.evaluation.page_ranker import PageRanker
from services.recommendation.gate.questions import Questions
from services.recommendation.holdout.metrics import Values, measure
from services.recommendation.holdout.protocols import products_of
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.key_rows import KeyRows
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.training.dataset import TrainingDataset
from services.recommendation.training.reranker_training import TOLD
from shared.inventory import NOT_BUYABLE, NOW

PLACES = 20
"""Places of the lists that are measured."""


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model, and where the products of a dataset lie in the catalogue that it serves.

    Parameters
    ----------
    state : ServingState
    rows : ndarray of shape (n_products of the dataset,), int32
        Row of each product in the catalogue.
    groups : GroupCodes
        Those of the dataset.
    """

    state: ServingState
    rows: Rows
    groups: GroupCodes

    @classmethod
    def of(cls, bundle: Bundle, dataset: TrainingDataset, weights: Mapping[str, float]) -> Self:
        """Return a model in a shop that sells what the dataset has: all of it that anybody met is in stock.

        Algorithms that know the answers are left out: relations are found in all orders, those that are asked for
        among them.
        """
        fresh = np.setdiff1d(dataset.product_keys, bundle.product_keys)
        keys = np.concatenate([bundle.product_keys, fresh]).astype(np.int64)
        algorithms = {name: each for name, each in bundle.model.algorithms.items() if name not in TOLD}
        untold = replace(bundle, model=replace(bundle.model, algorithms=algorithms))
        state = ServingState(_catalogue(keys, dataset), untold, weights=dict(weights))
        return cls(state, KeyRows.of(keys).find(dataset.product_keys), dataset.groups)

    def ndcg(self, questions: Questions) -> Values:
        """Return the NDCG at 20 of the pages' lists, shape (n_questions,), float64, in the order of the questions."""
        found = [self._ndcg(PageRanker(self.state, page), asked) for page, asked in questions.by_page.items()]
        return np.concatenate([np.empty(0), *found])

    def _ndcg(self, pages: PageRanker, asked: Sequence[EvalCase]) -> Values:
        cases = [self._in_rows(each) for each in asked]
        lists = pages.top([each.shopper for each in cases], [each.excluded for each in cases], PLACES)
        return measure(lists, [each.targets for each in cases], PLACES)["ndcg"]

    def _in_rows(self, case: EvalCase) -> EvalCase:
        """Return a question in the rows of the catalogue."""
        targets, excluded = (np.sort(self.rows[each]) for each in (case.targets, case.excluded))
        return replace(case, shopper=self._shopper(case.shopper), targets=targets, excluded=excluded)

    def _shopper(self, shopper: Shopper) -> Shopper:
        known = self.state.groups
        named = {name: self.groups.labels[name][code] for name, code in shopper.groups.items() if code >= 0}
        return replace(
            shopper,
            products=self.rows[shopper.products],
            session=self.rows[shopper.session],
            cart=self.rows[shopper.cart],
            current=None if shopper.current is None else int(self.rows[shopper.current]),
            groups=known.codes(named),
        )


def _catalogue(keys: Longs, dataset: TrainingDataset) -> Catalogue:
    """Return the catalogue of products by key, with what the dataset says of them; others cannot be bought."""
    data = dataset.interactions
    there = KeyRows.of(dataset.product_keys).find(keys)
    known = there >= 0
    met = products_of(data) > 0
    embeddings = np.zeros((len(keys), data.embeddings.shape[1]), np.float32)
    embeddings[known] = data.embeddings[there[known]]
    return replace(
        Catalogue.of_keys(keys),
        names=[f"product {key}" for key in keys.tolist()],
        category=np.where(known, data.category[there], -1).astype(np.int32),
        stock=np.where(known & met[there], NOW, NOT_BUYABLE).astype(np.int8),
        added=np.where(known, data.added[there], 0),
        embeddings=unit_rows(embeddings),
    )
