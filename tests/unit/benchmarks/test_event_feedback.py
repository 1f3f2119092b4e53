"""The benchmark of event feedback: its lists, and the figures that it prints."""

import json

import numpy as np
import pytest

from benchmarks.learning import event_feedback
from benchmarks.learning.event_feedback import EXAMINATION, PLACES, figures, shown_lists
from benchmarks.learning.figures import Figure
from benchmarks.quality.scaling.synthetic_data import synthetic_data
from services.recommendation.algorithms.interactions import EVENT_WEIGHTS
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.training.position_bias import Method, PositionBias
from services.recommendation.training.reranker_training import RerankerTrainingResult
from shared.page_rules import Page


def test_lists_are_of_one_taste_and_rather_what_sells_little_is_clicked() -> None:
    data = synthetic_data(300, n_customers=200, n_events=6_000)
    lists = shown_lists(data, 2_000, 1)
    assert len(lists) == 2_000
    first, other = data.category[lists.products[:PLACES]], data.category[lists.products[-PLACES:]]
    assert (len(set(first.tolist())), len(set(other.tolist()))) == (1, 1)
    sold = np.bincount(data.products, minlength=300)
    clicked = sold[lists.products[lists.grades > 0]]
    assert clicked.mean() < 0.7 * sold[lists.products].mean()
    assert lists.times.max() < data.now
    for place in (1, PLACES):
        assert (lists.positions == place).sum() == 2_000


def test_the_figures() -> None:
    facts = {
        "event_feedback": "learned",
        "clicks_ndcg_gain.with_feedback": [0.05, 0.04, 0.06],
        "ndcg_gain.with_feedback": [0.001, -0.01, 0.012],
        "ndcg_at_20.hybrid": 0.5,
    }
    bias = PositionBias(0.1 + EXAMINATION, Method.INTERVENTIONS, 900)
    found = RerankerTrainingResult(RerankerModels(), EVENT_WEIGHTS, {"discovery": facts}, biases={Page.HOME: bias})
    by_name = {figure.name: figure for figure in figures(found, 100.0, 107.0)}
    assert by_name["event_feedback.cpu_ratio"].value == pytest.approx(1.07)
    assert by_name["event_feedback.cpu_seconds"].value == pytest.approx(7.0)
    assert by_name["event_feedback.clicks_ndcg_gain"].value == 0.05
    assert by_name["event_feedback.clicks_ndcg_gain"].more == {"low": 0.04, "high": 0.06}
    assert by_name["event_feedback.organic_ndcg_gain"].value == 0.001
    assert by_name["event_feedback.position_bias_error"].value == pytest.approx(0.1, abs=1e-6)


def test_the_command_prints_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = RerankerTrainingResult(RerankerModels(), EVENT_WEIGHTS, {"discovery": {"event_feedback": "learned"}})
    monkeypatch.setattr(event_feedback, "_trained", lambda data, shown: (2.0 if shown else 1.0, found))
    monkeypatch.setattr(
        event_feedback, "figures", lambda found, before, after: [Figure("a.b", after / before, "ratio")]
    )
    assert event_feedback.main(["--products", "120", "--customers", "60", "--events", "900", "--lists", "20"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["figures"] == [{"name": "a.b", "value": 2.0, "unit": "ratio", "more": {}}]
    assert (printed["settings"]["said"], printed["settings"]["lists"]) == ("learned", 20)
