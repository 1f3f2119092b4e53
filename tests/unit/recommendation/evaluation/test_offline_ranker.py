"""The whole product as a ranker, in data of two tastes: it learns, and it learns nothing of the answers."""

from dataclasses import replace

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.transitions import Transitions
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.holdout.metrics import measure
from services.recommendation.holdout.protocols import eval_cases
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
from services.recommendation.models.model import Model
from services.recommendation.reranker.model import Fusion, Reranker
from services.recommendation.training.fit import train
from services.recommendation.training.reranker_params import RerankerParams
from tests.unit.recommendation.evaluation.test_leaks import CUTOFF, FUTURE, K, asked, train_and_test


def small() -> list[ItemKnn | Popular | Transitions]:
    return [ItemKnn(), Popular(), Transitions()]


def fitted(train: Interactions, **options: object) -> OfflineRanker:
    quintet = OfflineRanker(small, threads=1, **options)
    quintet.fit(Task(train, Protocol.TOP_N_DISCOVERY, timed=False, exclude_seen=True))
    return quintet


def listed(quintet: OfflineRanker, found: list[EvalCase]) -> np.ndarray:
    return quintet.top([question.shopper for question in found], [question.excluded for question in found], K)


@pytest.fixture(scope="module")
def data() -> tuple[Interactions, Interactions]:
    return train_and_test()


@pytest.fixture(scope="module")
def quintet(data: tuple[Interactions, Interactions]) -> OfflineRanker:
    return fitted(data[0])


def test_it_finds_the_taste(data, quintet):
    found = asked(*data)
    assert measure(listed(quintet, found), [question.targets for question in found], K)["recall"].mean() > 0.9
    assert isinstance(quintet.hybrid, Reranker)


def test_shuffled_labels_drop_every_metric_to_chance(data, quintet):
    train, test = data
    lists = listed(quintet, asked(train, test))
    owners = np.random.default_rng(0).permutation(train.n_customers).astype(np.int32)
    shuffled = asked(train, replace(test, customers=owners[test.customers]))
    at_random = np.stack(
        [
            np.random.default_rng(question.customer).permutation(np.setdiff1d(np.arange(FUTURE), question.excluded))[:K]
            for question in shuffled
        ]
    )
    targets = [question.targets for question in shuffled]
    right, chance = measure(lists, targets, K), measure(at_random.astype(np.int32), targets, K)
    # a list of one taste is right five times or never: so it is right less often at least once than a list at random
    for name in ("recall", "ndcg", "hit_rate", "mrr", "map"):
        assert right[name].mean() < chance[name].mean() + 0.12, name
    assert right["recall"].mean() == pytest.approx(chance["recall"].mean(), abs=0.12)


def test_a_product_of_the_future_is_in_no_list(data, quintet):
    assert FUTURE not in listed(quintet, asked(*data))


def test_what_is_excluded_is_not_listed(data, quintet):
    found = asked(*data)
    for row, question in zip(listed(quintet, found), found, strict=True):
        assert not np.isin(row, question.excluded).any()
        assert len(set(row.tolist())) == K


def test_the_same_data_gives_the_same_lists(data, quintet):
    found = asked(*data)
    np.testing.assert_array_equal(listed(fitted(data[0]), found), listed(quintet, found))


def test_a_part_can_be_left_out(data):
    quintet = fitted(data[0], without=("transitions",))
    assert set(quintet.model.algorithms) == {"item_knn", "popular"}
    assert not any(name.startswith("transitions") for name in quintet.hybrid.algorithms)


@pytest.mark.parametrize(
    ("few_events", "most_questions", "splits"), [(500_000, 15_000, 3), (500_000, 1, 1), (500, 15_000, 1)]
)
def test_where_little_can_be_asked_earlier_splits_are_learned_from(
    data, few_events: int, most_questions: int, splits: int
):
    sizes = []

    def remembered(data: Interactions, *others: object, **options: object) -> Model:
        sizes.append(len(data.customers))
        return train(data, *others, **options)

    fitted(
        data[0],
        trainer=remembered,
        params=RerankerParams(few_events=few_events, most_questions=most_questions),
    )
    *inside, whole = sizes
    assert len(inside) == splits
    assert whole == len(data[0].customers) > inside[0]
    assert inside == sorted(inside, reverse=True)  # each inside what the one before left as known
    assert 2 * inside[-1] >= whole


def test_with_little_to_learn_from_ranks_are_fused(data):
    train, test = data
    few = train.where(train.customers < 12)
    quintet = fitted(few)
    assert isinstance(quintet.hybrid, Fusion)
    found = eval_cases(Protocol.TOP_N_DISCOVERY, few, test, target=Kind.PURCHASE, exclude_seen=True, cutoff=CUTOFF)
    assert (listed(quintet, found) >= 0).any()
