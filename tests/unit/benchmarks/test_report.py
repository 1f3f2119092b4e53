"""Results, comparison and report of the benchmark."""

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality import sets
from benchmarks.quality.comparison import Comparison, Estimate, Role, comparisons
from benchmarks.quality.order import WITHOUT
from benchmarks.quality.published import AIMS, aim_of
from benchmarks.quality.report import write_report
from benchmarks.quality.results import Results, Row, key_of

MACHINE = {"processor": "P", "cores": 2, "memory_gb": 8, "system": "Linux", "python": "3.11", "numpy": "2"}
BEAUTY = ("amazon_beauty_5core", "next-item")
RETAIL = ("online_retail_2010_2011", "next-basket")


def row(of: tuple[str, str], algorithm: str, metric: str, value: float | None, spread: float = 0.002) -> Row:
    ends = {"low": None, "high": None} if value is None else {"low": value - spread, "high": value + spread}
    cost = {"train_seconds": 2.0, "ms_per_user": 0.5, "peak_mb": 300.0}
    head = {"dataset": of[0], "protocol": of[1], "algorithm": algorithm, "metric": metric, "k": 10, "value": value}
    return head | ends | cost


def settings(asked: int, **more: Any) -> dict[str, Any]:
    side = {"events": 10, "customers": 3, "products": 4}
    how = {"seed": 0, "bootstrap": 1000, "threads": 2, "seconds": 5.0, "commit": "c0ffee", "machine": MACHINE}
    return {"train": side, "test": side, "questions": asked, "limit_questions": None, "skipped": {}} | how | more


def difference(of: tuple[str, str], versus: str, metric: str, value: float, spread: float) -> Row:
    return row(of, "quintet", metric, value, spread) | {"versus": versus, "p_value": 0.01}


@pytest.fixture
def results() -> Results:
    found = Results()
    for of, own in ((BEAUTY, 0.1022), (RETAIL, 0.30)):
        figures = {"quintet": own, "ease": own - 0.01, "most_popular": 0.05}
        found.rows += [row(of, name, metric, v) for name, v in figures.items() for metric in ("recall", "ndcg", "gini")]
        sliced = row(of, "quintet", "recall", 0.01) | {"slice": "cold-user", "questions": 7}
        found.slices += [sliced, sliced | {"algorithm": "most_popular", "value": 0.005}]
    found.ablation += [
        row(BEAUTY, WITHOUT + name, m, v)
        for name, v in (("ease", 0.09), ("popular", 0.101))
        for m in ("recall", "ndcg")
    ]
    found.ablation += [row(BEAUTY, "quintet", m, 0.1) for m in ("recall", "ndcg")]
    found.settings = {
        key_of(*BEAUTY): settings(22_311, skipped={"content": "nothing to learn from"}),
        key_of(*RETAIL): settings(1_395),
    }
    return found


def of(results: Results, name: str) -> Comparison:
    return next(each for each in comparisons(results) if each.dataset.name == name)


def test_what_cannot_be_asked_counts_as_missed_where_it_is_compared(results: Results):
    beauty = of(results, "amazon_beauty_5core")
    assert beauty.missed == 52
    recall, ndcg = beauty.checks()
    assert recall.own.value == pytest.approx(0.1022 * 22_311 / 22_363)
    assert recall.reached  # .1020 of .1020
    assert recall.verdict == "reached"
    assert ndcg.verdict == "beyond"
    assert recall.known is not None
    assert recall.known.model == "TIGER"
    assert recall.quick is not None
    assert recall.quick.model == "transitions + EASE"


def test_a_sample_of_questions_is_no_reason_to_count_misses(results: Results):
    results.settings[key_of(*BEAUTY)]["limit_questions"] = 1000
    assert of(results, "amazon_beauty_5core").missed == 0


@pytest.mark.parametrize(("own", "reached"), [(0.056, True), (0.053, False)])
def test_without_published_values_intervals_must_lie_apart(results: Results, own: float, *, reached: bool):
    figures = {"quintet": own, "most_popular": 0.05}
    found = [row(RETAIL, name, metric, value) for name, value in figures.items() for metric in ("recall", "ndcg")]
    results.replace("rows", *RETAIL, found)
    assert [check.reached for check in of(results, RETAIL[0]).checks()] == [reached, reached]


@pytest.mark.parametrize(("spread", "reached"), [(0.0005, True), (0.002, False)])
def test_paired_differences_decide_where_they_were_measured(results: Results, spread: float, *, reached: bool):
    figures = {"quintet": 0.051, "most_popular": 0.05, "ease": 0.0505}
    metrics = ("recall", "ndcg")
    results.replace("rows", *RETAIL, [row(RETAIL, name, m, v) for name, v in figures.items() for m in metrics])
    found = [difference(RETAIL, name, m, 0.001, spread) for name in ("most_popular", "ease") for m in metrics]
    results.replace("differences", *RETAIL, found)
    retail = of(results, RETAIL[0])
    assert [check.reached for check in retail.checks()] == [reached, reached]  # though the intervals overlap
    assert [entry.name for entry in retail.close("ndcg")] == ([] if reached else ["ease"])


@pytest.mark.parametrize(("value", "verdict"), [(0.0725, "beyond"), (0.0710, "reached")])
def test_beyond_needs_the_whole_interval_above_the_figure(results: Results, value: float, verdict: str):
    figures = {"quintet": value, "most_popular": 0.05}
    results.replace(
        "rows", *BEAUTY, [row(BEAUTY, name, m, v) for name, v in figures.items() for m in ("recall", "ndcg")]
    )
    assert of(results, BEAUTY[0]).aim.beyond["ndcg"] == 0.070
    assert list(of(results, BEAUTY[0]).checks())[1].verdict == verdict


def test_parts_of_the_questions_show_where_a_baseline_is_ahead(results: Results, tmp_path: Path):
    cold = row(BEAUTY, "quintet", "recall", 0.04) | {"slice": "cold-item", "questions": 9}
    results.slices += [cold, cold | {"algorithm": "most_popular", "value": 0.05}]
    session = ("retailrocket_sessions", "session")
    results.settings[key_of(*session)] = settings(9)
    results.rows += [row(session, "quintet", metric, 0.3) for metric in ("hit_rate", "mrr")]
    results.slices += [
        row(session, "quintet", "hit_rate", 0.3) | {"slice": n, "questions": 9} for n in ("cold-user", "new")
    ]
    write_report(results, tmp_path / "quality.md")
    lines = (tmp_path / "quality.md").read_text().splitlines()
    (line,) = [each for each in lines if "| cold-item |" in each]
    assert ".0500 most_popular | .0500 | – | behind" in line
    assert any("RetailRocket" in each and "| new |" in each for each in lines)
    assert not any("RetailRocket" in each and "| cold-user |" in each for each in lines)


def test_parts_that_are_better_than_the_whole_are_found(results: Results):
    results.rows.append(row(BEAUTY, "transitions", "recall", 0.2))
    results.rows.append(row(BEAUTY, "transitions", "ndcg", 0.01))
    beauty = of(results, "amazon_beauty_5core")
    assert [entry.name for entry in beauty.ahead("recall")] == ["transitions"]
    assert beauty.ahead("ndcg") == []


def test_parts_whose_interval_touches_that_of_the_whole_are_close(results: Results):
    results.rows.append(row(BEAUTY, "transitions", "recall", 0.101))
    results.rows.append(row(BEAUTY, "item_knn", "recall", 0.01))
    close = of(results, "amazon_beauty_5core").close("recall")
    assert "transitions" in [entry.name for entry in close]
    assert "item_knn" not in [entry.name for entry in close]


def test_everybody_is_in_order_with_their_role(results: Results):
    found = of(results, "amazon_beauty_5core").everybody()
    assert [entry.name for entry in found][:4] == ["quintet", "transitions + EASE", "ease", "TIGER"]
    assert [entry.role for entry in found][:4] == [Role.OWN, Role.UNTUNED, Role.PART, Role.PUBLISHED]
    assert found[1].metrics["recall"] == Estimate(0.0994, 0.0994, 0.0994)
    assert found[1].metrics["recall"].exact


def test_the_largest_loss_comes_first(results: Results):
    assert [entry.name for entry in of(results, "amazon_beauty_5core").lesser()] == [
        "quintet without ease",
        "quintet without popular",
    ]


def test_a_metric_without_a_value_is_left_out(results: Results):
    results.rows.append(row(BEAUTY, "quintet", "diversity", None))
    own = of(results, "amazon_beauty_5core").own()
    assert own is not None
    assert "diversity" not in own.metrics


def test_the_report_says_what_was_measured(results: Results, tmp_path: Path):
    page = tmp_path / "docs" / "quality.md"
    write_report(results, page)
    text = page.read_text()
    assert "| [Amazon Beauty (5-core), next-item](#amazon-beauty-5-core-next-item) | recall@10 | **.1020**" in text
    assert "52 more questions ask for products that train never saw" in text
    assert "The mean of the hybrid is better than that of each of its parts in every row." in text
    assert "Training the product took 4 s in all" in text
    assert "| ease | .0900 (−10.0 %)" in text
    assert "- content did not take part: nothing to learn from." in text
    assert "c0ffee" in text
    pictures = re.findall(r"\]\((\S+\.png)\)", text)
    assert len(pictures) == 3
    assert all((page.parent / name).stat().st_size > 1000 for name in pictures)


def test_the_served_list_stands_beside_the_offline_one_with_what_each_rule_costs(results: Results, tmp_path: Path):
    lists = {"quintet.page": 0.1, "served.ranked": 0.1, "served": 0.08, "served.without_demotion": 0.1}
    results.rows += [row(BEAUTY, name, metric, value) for name, value in lists.items() for metric in ("recall", "ndcg")]
    results.differences += [
        row(BEAUTY, "served.ranked", "ndcg", 0.0, 0.0) | {"versus": "quintet.page", "p_value": 0.5},
        row(BEAUTY, "served", "ndcg", -0.02, 0.001) | {"versus": "served.without_demotion", "p_value": 1.0},
    ]
    beauty = of(results, "amazon_beauty_5core")
    assert {entry.name for entry in beauty.measured()} == {"quintet", "ease", "most_popular", "served"}
    assert beauty.relative("served", "served.without_demotion", "ndcg") == pytest.approx((-0.2, -0.21, -0.19))
    assert beauty.relative("served", "served.without_caps", "ndcg") is None
    write_report(results, tmp_path / "quality.md")
    text = (tmp_path / "quality.md").read_text()
    (line,) = [line for line in text.splitlines() if "ndcg@10" in line and "−20.0 % [−21.0 %, −19.0 %]" in line]
    assert "+0.0 %" in line
    assert "Online Retail" not in text.split("## The list that is served")[1].split("\n## ")[0]


def test_every_link_within_the_report_leads_somewhere(results: Results, tmp_path: Path):
    page = tmp_path / "quality.md"
    write_report(results, page)
    text = page.read_text()
    titles = {
        "".join(c for c in line[3:].lower() if c.isalnum() or c in " -_").replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"\]\(#(\S+)\)", text)) <= titles


def test_the_same_results_give_the_same_files(results: Results, tmp_path: Path):
    for name in ("a", "b"):
        write_report(results, tmp_path / name / "quality.md")
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_report_without_the_product_and_without_anything(results: Results, tmp_path: Path):
    results.rows = [row for row in results.rows if row["algorithm"] != "quintet"]
    write_report(results, tmp_path / "some.md")
    assert "Summary" not in (tmp_path / "some.md").read_text()
    write_report(Results(), tmp_path / "none.md")
    assert (tmp_path / "none.md").read_text().startswith("# ")


def test_results_survive_their_file_one_line_a_row(results: Results, tmp_path: Path):
    path = tmp_path / "results" / "quality.json"
    results.save(path)
    assert Results.load(path) == results
    assert sum('"algorithm"' in line for line in path.read_text().splitlines()) == len(
        results.rows + results.slices + results.differences + results.ablation
    )
    assert Results.load(tmp_path / "none.json") == Results()


def test_new_rows_replace_those_of_their_evaluation_only(results: Results):
    results.replace("rows", *BEAUTY, [row(BEAUTY, "quintet", "recall", 0.5)])
    assert [each["value"] for each in results.of("rows", *BEAUTY)] == [0.5]
    assert len(results.of("rows", *RETAIL)) == 9
    results.ordered([key_of(*BEAUTY), key_of(*RETAIL)])
    assert results.rows[0]["dataset"] == BEAUTY[0]


def test_every_aim_is_of_an_evaluation_and_of_its_metrics():
    known = {(dataset.name, how.protocol.value): (dataset, how) for dataset in sets.ALL for how in dataset.evaluations}
    assert set(AIMS) <= set(known)
    for key, (dataset, how) in known.items():
        aim = aim_of(dataset, how)
        assert {*aim.reach, *aim.beyond} <= set(how.metrics)
        assert all(aim.reach[metric] <= aim.beyond[metric] for metric in aim.reach), key
        assert all({*value.metrics} <= set(how.metrics) and value.source for value in aim.known)
