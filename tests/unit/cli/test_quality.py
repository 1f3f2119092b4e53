"""What a report of an evaluation says of shown lists."""

from typing import Any

import pytest

from cli.quality import print_shown_lists

ROW: dict[str, Any] = {"context": "discovery", "lists": 1_234, "low": 0.5, "high": 0.625}
FOUND: dict[str, Any] = {
    "contexts": {"discovery": "learned from 4,000 lists", "basket": "not used: 3 lists"},
    "rows": [
        {**ROW, "metric": "ndcg", "algorithm": "with event feedback", "value": 0.5625},
        {**ROW, "metric": "ndcg", "algorithm": "without event feedback", "value": 0.5312},
    ],
    "differences": [{**ROW, "metric": "ndcg", "algorithm": "with", "versus": "without", "value": 0.0313}],
}


def printed(capsys: pytest.CaptureFixture[str], found: dict[str, Any]) -> str:
    print_shown_lists(found)
    return " ".join(capsys.readouterr().out.split())


def test_what_shown_lists_bring(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, FOUND)
    assert "responses to shown lists, basket: not used: 3 lists" in text
    assert "what was chosen of 1,234 shown lists, discovery" in text
    assert "with event feedback 0.5625 0.500–0.625 without event feedback 0.5312 0.500–0.625 better by 0.0313" in text


def test_why_nothing_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, {"skipped": "0 lists"}) == "shown lists: 0 lists"


def test_evaluations_of_files_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, {}) == ""
