"""`docs/algorithms/` has a page for every algorithm, and what its tables say is what the code does."""

import ast
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.recommendation.algorithms.base import Algorithm, Reason, ReasonKind
from services.recommendation.algorithms.registry import CLASSES
from services.recommendation.models.groups import GroupCodes
from services.recommendation.request import Page
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.explain import explained
from services.recommendation.serving.page_policy import RankingPlan, plan_ranking
from services.recommendation.training.reranker_params import RerankerParams
from shared.algorithms import DEFAULT_WEIGHTS, KNOWN_ALGORITHMS

FOLDER = Path(__file__).parents[3] / "docs" / "algorithms"
NAMES = [algorithm.name for algorithm in CLASSES]
HYBRID = "hybrid"
SECTIONS = ["Formula", "Source", "Parameters", "Cost", "When it is asked", "Reason", "Limits"]
COSTS = ["training time", "training memory", "kept", "an answer"]
LONG_HISTORY = 1e12
REBUYING = RerankerModels(rebuy_rate=1.0)
LEAST_SHOWN = 1e-4
"""A smaller share is none."""


def page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text()


def section(name: str, title: str) -> str:
    """Return what stands under a heading of a page."""
    return re.split(r"^## ", page(name).split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str) -> list[list[str]]:
    """Return the cells of the first table in `text`, row by row, its head first."""
    lines = re.search(r"(^\|.*\|\n)+", text, re.MULTILINE)
    assert lines, f"no table in {text[:60]!r}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.group().splitlines()]
    assert {len(row) for row in rows} == {len(rows[0])}, "a row has another number of cells"
    return [rows[0], *rows[2:]]


def parameters(name: str) -> dict[str, list[str]]:
    """Return the rows of a page's table of parameters by name: default, unit, meaning, advice."""
    head, *rows = table(section(name, "Parameters"))
    assert head == ["parameter", "default", "unit", "meaning", "advice"]
    return {row[0].strip("`"): row[1:] for row in rows}


def defaults(name: str) -> dict[str, Any]:
    """Return the defaults that a page states."""
    return {parameter: ast.literal_eval(row[0].strip("`")) for parameter, row in parameters(name).items()}


def flat(config: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, those of a dataclass within it as `field.inner`."""
    found: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        inner = {f"{field.name}.{name}": each for name, each in flat(value).items()} if is_dataclass(value) else {}
        found |= inner or {field.name: value}
    return found


def constant(name: str) -> Any:
    """Return what `module.NAME` of the hybrid is."""
    module, attribute = name.split(".")
    return getattr(import_module(f"services.recommendation.training.{module}"), attribute)


def _reranker_share(plan: RankingPlan) -> float:
    """Return the reranker's share of a page's order."""
    if plan.policy.alone and plan.reranker_weight:
        return 1.0
    return plan.reranker_weight / (plan.reranker_weight + sum(plan.weights.values()))


def sentences(kind: ReasonKind) -> set[str]:
    """Return what shoppers may read for a kind of reason, with … for names."""
    catalogue = cast("Catalogue", SimpleNamespace(external_ids=["p"], names=["…"]))
    labels = {"region": ("…",), "age": ("…",)}
    reasons = [Reason(kind), Reason(kind, (0,)), *(Reason(kind, group=(name, 0)) for name in labels)]
    return {explained(reason, catalogue, GroupCodes(labels)).text for reason in reasons}


def shares(known: Mapping[str, float]) -> dict[str, float]:
    """Return weights as shares of 1, popularity as one."""
    merged = {name: weight for name, weight in known.items() if name != "popular_in_group"}
    merged["popular"] = merged.get("popular", 0.0) + known.get("popular_in_group", 0.0)
    return {name: weight / sum(merged.values()) for name, weight in merged.items()}


def percent(share: float) -> str:
    if share < LEAST_SHOWN:
        return ""
    return f"{100 * share:.0f}" if share >= 0.01 else "<1"


def parts() -> dict[str, list[str]]:
    """Return how much each algorithm and the hybrid count, by page."""
    plans = [plan_ranking(page, DEFAULT_WEIGHTS, LONG_HISTORY, REBUYING) for page in Page]
    plans.append(plan_ranking(Page.HOME, DEFAULT_WEIGHTS, 0.0))
    columns = [shares(plan.weights) for plan in plans]
    names = [*(known.name for known in KNOWN_ALGORITHMS), "search"]
    found = {name: [percent(column.get(name, 0.0)) for column in columns] for name in names}
    of_hybrid = [_reranker_share(plan) for plan in plans]
    return found | {HYBRID: [percent(share) for share in of_hybrid]}


def test_there_is_a_page_for_every_algorithm_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == {*NAMES, HYBRID, "README"}


@pytest.mark.parametrize("name", [*NAMES, HYBRID])
def test_pages_have_the_same_sections_in_the_same_order(name: str) -> None:
    lines = page(name).splitlines()
    assert lines[0] == f"# {name}"
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == SECTIONS
    assert table(section(name, "Cost"))[0] == COSTS


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
def test_parameters_are_those_of_the_code_with_their_defaults(kind: type[Algorithm]) -> None:
    assert defaults(kind.name) == kind().params


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
def test_a_parameter_is_called_tuned_where_tuning_searches_it(kind: type[Algorithm]) -> None:
    tuned = {name for name, row in parameters(kind.name).items() if row[-1].startswith("Tuned.")}
    assert tuned == set(kind.space)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
def test_sources_are_those_of_the_code(kind: type[Algorithm]) -> None:
    named = re.findall(r"doi:(\S+\d)", kind.__doc__ or "")
    assert named
    assert set(named) <= set(re.findall(r"doi:(\S+\d)", section(kind.name, "Source")))


@pytest.mark.parametrize("name", NAMES)
def test_reasons_are_what_shoppers_read(name: str) -> None:
    lines = re.findall(r"^- `(\w+)`: (.*)$", section(name, "Reason"), re.MULTILINE)
    assert lines
    for kind, text in lines:
        quoted = re.findall(r"“(.*?)”", text)
        assert quoted
        assert quoted[0] in sentences(ReasonKind(kind))


def test_the_recipe_of_the_hybrid_is_that_of_the_code() -> None:
    stated = defaults(HYBRID)
    constants = {name: constant(name) for name in stated if name.rpartition(".")[2].isupper()}
    assert stated == flat(RerankerParams()) | constants


def test_the_index_names_families_and_weights() -> None:
    _, *rows = table(page("README"))
    found = [(name, family, weight) for name, family, weight, _ in rows]
    known = [(each.name, each.family.value, f"{each.default_weight:.2f}") for each in KNOWN_ALGORITHMS]
    assert found == [(f"[{name}]({name}.md)", family, weight) for name, family, weight in known]


def test_the_index_says_how_much_each_counts() -> None:
    head, *rows = table(section("README", "How much each counts"))
    assert head[1:] == [*(each.value for each in Page), "HOME, unknown"]
    assert {row[0].strip("`"): row[1:] for row in rows} == parts()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for file, anchor in re.findall(r"\]\(([^)#]*\.md)(?:#([^)]*))?\)", path.read_text()):
        target = (path.parent / file).resolve()
        assert target.exists(), file
        headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, anchor
