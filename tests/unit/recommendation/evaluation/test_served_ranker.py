"""The page as a ranker: before its rules it lists what the offline ranker lists, and each rule shows what it costs."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from services.recommendation.algorithms.base import Algorithm, Interactions, Kind
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.algorithms.transitions import Transitions
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.page_ranker import RANKED
from services.recommendation.evaluation.run import EvaluationPlan, evaluate
from services.recommendation.evaluation.served_ranker import OFFLINE_PAGE, SERVED, WITHOUT_RULE, ServedRanker
from services.recommendation.holdout.protocols import eval_cases
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
from services.recommendation.reranker.model import Reranker
from services.recommendation.training.reranker_params import BoostingParams, RerankerParams
from tests.unit.recommendation.evaluation.synthetic_data import DAY

K = 10
CUSTOMERS, PRODUCTS, STEPS = 240, 60, 3
QUICK = RerankerParams(boosting=BoostingParams(rounds=15, min_leaf=20))
PROTOCOLS = list(Protocol)


def algorithms() -> list[Algorithm]:
    return [ItemKnn(), Popular(), Transitions(), Repurchase()]


def shop(seed: int = 0) -> Interactions:
    """Customers of three departments have 12 visits in 300 days; a third was away for the last 100 days."""
    rng = np.random.default_rng(seed)
    customers = np.repeat(np.arange(CUSTOMERS), 12 * STEPS)
    visits = np.sort(rng.integers(0, 300 * DAY, (CUSTOMERS, 12)), axis=1)
    visits[::3] = visits[::3] * 2 // 3
    visits[::3, -1] += 95 * DAY
    times = np.repeat(visits.ravel(), STEPS) + np.tile(60 * np.arange(STEPS), CUSTOMERS * 12)
    products = customers % 3 + 3 * np.minimum(rng.geometric(0.12, len(customers)) - 1, PRODUCTS // 3 - 1)
    return Interactions.of(
        customers,
        products,
        n_customers=CUSTOMERS,
        n_products=PRODUCTS,
        now=300 * DAY,
        kinds=np.where(rng.random(len(customers)) < 0.4, Kind.VIEW, Kind.PURCHASE),
        times=times,
        baskets=np.repeat(np.arange(CUSTOMERS * 12), STEPS),
        category=np.arange(PRODUCTS) % 3,
        embeddings=rng.standard_normal((PRODUCTS, 6)),
    )


def split() -> TrainTestSplit:
    data, cutoff = shop(), 260 * DAY
    before = data.times < cutoff
    train, test = replace(data.where(before), now=cutoff), data.where(~before)
    return TrainTestSplit(train, test, cutoff, timed=True)


@cache  # nobody changes them
def fitted(protocol: Protocol) -> tuple[ServedRanker, OfflineRanker, list[EvalCase]]:
    data = split()
    discovery = protocol is Protocol.TOP_N_DISCOVERY
    task = Task(data.train, protocol, Kind.PURCHASE, exclude_seen=discovery, every_kind=protocol is Protocol.SESSION)
    offline = OfflineRanker(algorithms, params=QUICK, threads=1)
    offline.fit(task)
    served = ServedRanker(offline)
    served.fit(task)
    cases = eval_cases(
        protocol, data.train, data.test, target=Kind.PURCHASE, exclude_seen=discovery, cutoff=data.cutoff, most=150
    )
    return served, offline, cases


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_before_its_rules_the_page_lists_what_the_offline_ranker_lists(protocol: Protocol) -> None:
    served, offline, cases = fitted(protocol)
    assert isinstance(offline.hybrid, Reranker)
    assert len(cases) > 50
    shoppers, excluded = [case.shopper for case in cases], [case.excluded for case in cases]
    stages = served.stages(shoppers, excluded, K)
    for page, reference in zip(stages[RANKED], stages[OFFLINE_PAGE], strict=True):
        # the page goes on with what only the algorithms of the page propose
        known = reference[reference >= 0]
        assert len(known)
        np.testing.assert_array_equal(page[: len(known)], known)
    np.testing.assert_array_equal(served.top(shoppers, excluded, K), stages[SERVED])
    if protocol is Protocol.TOP_N_DISCOVERY:  # the page leaves out just what the protocol leaves out
        np.testing.assert_array_equal(stages[OFFLINE_PAGE], offline.top(shoppers, excluded, K))


def test_each_rule_changes_the_list_of_the_page_where_it_is_in_force() -> None:
    served, _, cases = fitted(Protocol.TOP_N_DISCOVERY)
    stages = served.stages([case.shopper for case in cases], [case.excluded for case in cases], K)
    assert set(stages) == {OFFLINE_PAGE, RANKED, SERVED, *WITHOUT_RULE}
    for name in ("served.without_diversity", "served.without_caps"):
        assert (stages[name] != stages[SERVED]).any(), name
    for row, case in zip(stages[SERVED], cases, strict=True):
        listed = row[row >= 0]
        assert len(set(listed.tolist())) == len(listed)
        assert not np.isin(listed, case.excluded).any()


def test_what_a_session_saw_steps_back_on_the_page() -> None:
    served, _, cases = fitted(Protocol.SESSION)
    requests = served.requests([case.shopper for case in cases], [case.excluded for case in cases])
    policies = {SERVED: lambda policy: policy, "demoted": lambda policy: replace(policy, seen=0.6)}
    stages = served.lists(requests, policies, K)
    assert (stages["demoted"] != stages[SERVED]).any(), "the page itself does not demote what was seen (decision 0018)"
    for row, case in zip(stages[RANKED], cases, strict=True):
        assert int(case.shopper.session[-1]) not in row, "the product in view is not shown beside itself"


def test_the_report_has_the_page_beside_the_offline_ranker_and_what_each_rule_costs() -> None:
    offline = OfflineRanker(algorithms, params=QUICK, threads=1)
    plan = EvaluationPlan("toy", Protocol.TOP_N_DISCOVERY, (K,), resamples=50)
    report = evaluate(split(), plan, [offline, ServedRanker(offline)], lambda *_: None)
    ndcg = [row["algorithm"] for row in report.rows if row["metric"] == "ndcg"]
    assert ndcg == ["quintet", OFFLINE_PAGE, RANKED, SERVED, *WITHOUT_RULE]
    pairs = {(row["algorithm"], row["versus"]) for row in report.differences}
    assert pairs == {("quintet", name) for name in ndcg[1:]} | set(ServedRanker.pairs)
    (agreement,) = [
        row
        for row in report.differences
        if row["versus"] == OFFLINE_PAGE and row["algorithm"] == RANKED
        if row["metric"] == "ndcg"
    ]
    value = next(row["value"] for row in report.rows if row["algorithm"] == OFFLINE_PAGE and row["metric"] == "ndcg")
    assert abs(agreement["value"]) <= 0.005 * value
