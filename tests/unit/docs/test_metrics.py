"""The page of metrics has the present ones, each with its meaning, and names keep the conventions."""

import re

import pytest

from scripts.metrics_table import PAGE, metrics, renewed


def test_the_page_has_the_present_table() -> None:
    assert PAGE.read_text() == renewed(PAGE.read_text()), "run `python -m scripts.metrics_table --write`"


@pytest.mark.parametrize("name", metrics())
def test_a_metric_has_a_plain_name_and_a_sentence(name: str) -> None:
    assert re.fullmatch(r"quintet_[a-z0-9_]+", name)
    assert metrics()[name].describe()[0].documentation.endswith(".")
