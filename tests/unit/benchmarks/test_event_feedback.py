"""The benchmark of event feedback: its lists, and the figures that it prints."""

import numpy as np
import pytest

from benchmarks.learning import event_feedback
from benchmarks.learning.event_feedback import EXAMINATION, PLACES, figures, shown_lists
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
    lists = shown_lists(synthetic_data(300, n_customers=200, n_events=6_000), 50, 1)
    printed = figures(found, 100.0, 107.0, lists)
    assert printed["event_feedback.cpu_ratio"] == pytest.approx(1.07)
    assert printed["event_feedback.cpu_seconds"] == pytest.approx(7.0)
    assert printed["event_feedback.clicks_ndcg_gain"] == 0.05
    assert printed["event_feedback.organic_ndcg_gain"] == 0.001
    assert printed["event_feedback.position_bias_error"] == pytest.approx(0.1, abs=1e-6)
    assert printed["facts"].keys() == facts.keys() - {"ndcg_at_20.hybrid"}


def test_the_command_prints_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(event_feedback, "_trained", lambda data, shown: (2.0 if shown else 1.0, shown))
    monkeypatch.setattr(
        event_feedback, "figures", lambda found, without, including, shown: {"ratio": including / without}
    )
    assert event_feedback.main(["--products", "120", "--customers", "60", "--events", "900", "--lists", "20"]) == 0
    assert '"ratio": 2.0' in capsys.readouterr().out
