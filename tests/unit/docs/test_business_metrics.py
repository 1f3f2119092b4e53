"""The page of business metrics has every metric as it is answered, and every column of the tables."""

import re
from pathlib import Path

import pytest

from services.feedback.metrics.definitions import DEFINITIONS, OF_LISTS, Definition
from shared.db.metric_tables import CELL_AMOUNTS, CELLS, SESSION_AMOUNTS, SESSIONS, columns_of

PAGE = (Path(__file__).parents[3] / "docs" / "business-metrics.md").read_text()
METRICS, TABLES = (
    {
        found[1]: [cell.strip() for cell in found[2].split("|")]
        for found in re.finditer(r"^\| `(\w+)` \| (.*) \|$", part, re.MULTILINE)
    }
    for part in PAGE.split("\n## Tables\n")
)


def dimensions(definition: Definition) -> str:
    """Return what the page says a metric is kept by."""
    return "all" if definition.dimensions == OF_LISTS else ", ".join(definition.dimensions) or "–"


def test_the_table_has_every_metric_in_the_order_of_answers() -> None:
    assert list(METRICS) == list(DEFINITIONS)


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=lambda each: each.name)
def test_a_metric_is_described_as_it_is_answered(definition: Definition) -> None:
    formula, *said = METRICS[definition.name]
    assert formula
    assert said == [definition.unit, dimensions(definition), definition.interval]


@pytest.mark.parametrize("table", [CELLS, CELL_AMOUNTS, SESSIONS, SESSION_AMOUNTS])
def test_a_table_is_described_with_its_columns(table: str) -> None:
    assert re.findall(r"`(\w+)`", TABLES[table][-1]) == list(columns_of(table))
