"""Facts of a training become fields of the contract, whatever kind of value they have."""

from shared.training_facts import to_trained_models

FACTS = {
    "params": {"popular": {}, "ease": {}},
    "evaluation": {
        "home": {
            "questions": 3,
            "learned": True,
            "best": "ease",
            "ndcg_at_20.hybrid": 0.5,
            "ndcg_gain.over_best": [-0.1516, -0.2176, -0.0982],
        }
    },
    "seconds": 2.5,
    "kind_weights": [1.0],
}


def test_a_gain_keeps_its_interval() -> None:
    """An interval is a list; a map of numbers refuses it, and with it the whole answer."""
    evaluation = to_trained_models(FACTS).evaluation["home"]
    assert evaluation.metrics == {
        "ndcg_at_20.hybrid": 0.5,
        "ndcg_gain.over_best": -0.1516,
        "ndcg_gain.over_best.low": -0.2176,
        "ndcg_gain.over_best.high": -0.0982,
    }
    assert (evaluation.questions, evaluation.learned, evaluation.best) == (3, True, "ease")


def test_algorithms_are_named_and_what_the_contract_does_not_name_is_left_out() -> None:
    message = to_trained_models(FACTS)
    assert list(message.algorithms) == ["ease", "popular"]
    assert message.seconds == 2.5
    assert not to_trained_models({}).evaluation
