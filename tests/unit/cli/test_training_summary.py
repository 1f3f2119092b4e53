"""The few lines on a training."""

from typing import Any

import pytest

from cli.training_summary import print_training

RESULT: dict[str, Any] = {
    "seconds": 61.5,
    "catalogue": {"products": 92_331},
    "customers": {"customers": 2_469, "segments": 12},
    "models": {
        "params": {"ease": {}, "popular": {}},
        "size_bytes": 140_000_000,
        "peak_mb": 1_830,
        "evaluation": {
            "discovery": {
                "learned": True,
                "questions": 3_200,
                "evaluated": 410,
                "best": "item_knn",
                "recall_at_20.hybrid": 0.2,
                "ndcg_at_20.hybrid": 0.0577,
                "ndcg_at_20.best": 0.0431,
                "ndcg_at_20.popular": 0.0102,
            },
            "session": {
                "learned": False,
                "questions": 900,
                "evaluated": 90,
                "best": "markov",
                "ndcg_at_20.hybrid": 0.3,
                "ndcg_at_20.best": 0.31,
            },
        },
    },
}


def printed(capsys: pytest.CaptureFixture[str], result: dict[str, Any]) -> str:
    print_training(result)
    return " ".join(capsys.readouterr().out.split())


def test_what_was_learned(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, RESULT)
    assert "trained in 61.5 s: 92,331 products, 2,469 customers, 12 segments, 2 algorithms" in text
    assert "model of 140 MB, at most 1,830 MB of memory" in text
    assert "discovery 3,200 410 0.0577 0.0431 item_knn 0.0102 hybrid" in text
    assert "session 900 90 – 0.3100 markov – fixed weights" in text
    assert "NDCG at 20" in text


def test_where_the_time_went(capsys: pytest.CaptureFixture[str]) -> None:
    parts = {"seconds": 40.25, "read_seconds": 9.5, "learn_seconds": 20.0, "fit_seconds": 10.04}
    steps = {"catalogue": {"seconds": 12.0}, "models": RESULT["models"] | parts, "customers": {"seconds": 8.0}}
    text = printed(capsys, RESULT | steps)
    models = "models 40.2 s (reading 9.5, learning the hybrids 20.0, fitting on all data 10.0)"
    assert f"catalogue 12.0 s, {models}, customers 8.0 s" in text
    assert "reading" not in printed(capsys, RESULT)


def test_a_shop_with_too_little_to_learn_from(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(
        capsys, {"seconds": 1.0, "catalogue": {"products": 3}, "models": {"evaluation": {}}, "customers": {}}
    )
    assert "trained in 1.0 s: 3 products" in text
    assert "no hybrid yet" in text


def test_what_responses_to_shown_lists_brought(capsys: pytest.CaptureFixture[str]) -> None:
    facts = RESULT["models"]["evaluation"]["discovery"] | {"event_feedback": "not used: 7 lists with a response"}
    text = printed(capsys, RESULT | {"models": {**RESULT["models"], "evaluation": {"discovery": facts}}})
    assert "responses to shown lists, discovery: not used: 7 lists with a response" in text
    assert "responses to shown lists" not in printed(capsys, RESULT)
