"""The rules of the pages: which value is chosen, and that each is measured through the page."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.quality.page_rules import (
    MOST_LOSS,
    OUT,
    RULES,
    VALUES,
    AskedPage,
    Measured,
    choose_value,
    chosen_values,
    main,
    measure_rule,
    report,
    some_customers,
)
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.served_ranker import ServedRanker
from services.recommendation.holdout.splits import validation
from services.recommendation.holdout.tasks import Protocol, Task
from services.recommendation.request import Page
from services.recommendation.serving.page_policy import PAGE_POLICIES
from tests.unit.recommendation.evaluation.test_served_ranker import QUICK, algorithms, shop


def measured(value: float, change: float, title: str = "a", rule: str = "trade_off") -> Measured:
    return Measured("HOME", rule, title, 10, value, 0.5, 0.5, change, change, change)


def rows(rule: str, changes: dict[float, float], title: str = "a") -> list[Measured]:
    return [measured(value, changes.get(value, -1.0), title, rule) for value in VALUES[rule]]


def test_the_most_diversity_that_costs_at_most_the_budget_on_every_set() -> None:
    found = rows("trade_off", {1.0: 0.0, 0.98: 0.01, 0.95: -MOST_LOSS, 0.9: -0.011})
    assert choose_value("trade_off", found, 0.85) == 0.95
    assert choose_value("trade_off", [*found, *rows("trade_off", {1.0: 0.0, 0.98: -0.002}, "b")], 0.85) == 0.98
    assert choose_value("trade_off", rows("trade_off", {1.0: 0.0}), 0.85) == 1.0


def test_what_is_in_force_stays_where_the_best_value_is_no_more_diverse() -> None:
    found = rows("category_share", {1.0: 0.0, 0.5: 0.0, 0.35: 0.0})
    assert choose_value("category_share", found, in_force=0.5) == 0.5
    assert choose_value("category_share", found, in_force=0.25) == 0.35, "it costs too much"
    more = [replace(row, diversity=0.51) if row.value == 0.35 else row for row in found]
    assert choose_value("category_share", more, in_force=0.5) == 0.35


NOT_SET_BY_IT = {"substitutes"}
"""What the questions cannot say (docs/decisions/0018)."""


def test_the_policies_in_force_are_those_that_were_chosen() -> None:
    measured = [Measured(**row) for row in json.loads(OUT.read_text())["rows"]]
    chosen = chosen_values(measured)
    assert {page: tuple(values) for page, values in chosen.items()} == {
        page.name: rules for page, rules in RULES.items()
    }
    for page, values in chosen.items():
        for rule, value in values.items():
            if rule in NOT_SET_BY_IT:
                continue
            assert getattr(PAGE_POLICIES[Page[page]], rule) == value, (page, rule)


def test_demotion_is_what_is_best_on_average_and_none_where_nothing_is_better() -> None:
    found = rows("seen", {1.0: 0.0, 0.9: 0.02, 0.8: 0.03})
    assert choose_value("seen", found, 0.6) == 0.8
    assert choose_value("seen", [*found, *rows("seen", {1.0: 0.0, 0.9: 0.01, 0.8: -0.2}, "b")], 0.6) == 0.9
    assert choose_value("seen", rows("seen", dict.fromkeys(VALUES["seen"], 0.0)), 0.6) == 1.0


def test_customers_are_drawn_whole() -> None:
    data = shop()
    kept = some_customers(data, 1000, seed=1)
    counts = np.bincount(kept.customers, minlength=data.n_customers)
    assert set(counts.tolist()) <= {0, 36}
    assert 1000 - 36 < len(kept.customers) <= 1000
    assert len(some_customers(data, 10**6, seed=1).customers) == len(data.customers)


@pytest.fixture(scope="module")
def asked() -> AskedPage:
    task = Task(shop(), Protocol.TOP_N_DISCOVERY, Kind.PURCHASE, exclude_seen=True)
    inner, cases = validation(task, 0, 60)
    served = ServedRanker(OfflineRanker(algorithms, params=QUICK, threads=1), Page.HOME)
    served.fit(inner)
    requests = served.requests([case.shopper for case in cases], [case.excluded for case in cases])
    return AskedPage("toy", Page.HOME, ("trade_off",), served, requests, cases, inner.train.embeddings)


def test_less_relevance_for_more_diversity(asked: AskedPage) -> None:
    found = measure_rule(asked, "trade_off", {}, seed=0)
    assert [row.value for row in found] == list(VALUES["trade_off"])
    assert found[0].change == 0.0
    assert found[-1].diversity is not None
    assert found[0].diversity is not None
    assert found[-1].diversity > found[0].diversity
    for row in found:
        assert row.ndcg == pytest.approx(found[0].ndcg * (1 + row.change))
    chosen = chosen_values(found)["HOME"]["trade_off"]
    assert f"Chosen: {chosen:g}." in report(found)


def test_rules_before_are_in_force_and_rules_after_are_off(asked: AskedPage) -> None:
    capped = {"category_share": 0.15}
    lists = asked.lists({"capped": capped, "free": {}})
    assert (lists["capped"] != lists["free"]).any()
    first = measure_rule(asked, "trade_off", capped, seed=0)[0]
    assert first.ndcg == pytest.approx(float(asked.ndcg(lists["capped"]).mean()))
    without = replace(asked, requests=asked.requests[:5], cases=asked.cases[:5])
    assert len(without.lists({"free": {}})["free"]) == 5


def test_help_says_how_values_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "category_share" in capsys.readouterr().out
