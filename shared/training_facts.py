"""Facts of a training as the contract says them."""

from typing import Any

from google.protobuf.json_format import ParseDict
from quintet.type.v1.job_pb2 import TrainedModels


def training_fields(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a training as fields of `TrainedModels`; there are more, which the contract does not name.

    Facts that are these fields already stay as they are.
    """
    evaluation = {name: _evaluation(each) for name, each in facts.get("evaluation", {}).items()}
    algorithms = sorted(facts["params"]) if "params" in facts else facts.get("algorithms", [])
    return {**facts, "algorithms": algorithms, "evaluation": evaluation}


def to_trained_models(facts: dict[str, Any]) -> TrainedModels:
    """Return the facts of a training as a message."""
    message = TrainedModels()
    ParseDict(training_fields(facts), message, ignore_unknown_fields=True)
    return message


def metrics_of(facts: dict[str, Any]) -> dict[str, float]:
    """Return the metrics of a context's evaluation by name: those facts whose names have a point.

    A gain is kept as mean, low and high end of its interval; the ends get names of their own.
    """
    found: dict[str, float] = {}
    for name, value in facts.items():
        if "." in name and isinstance(value, list):
            found |= dict(zip((name, f"{name}.low", f"{name}.high"), map(float, value), strict=False))
        elif "." in name:
            found[name] = float(value)
    return found


def _evaluation(facts: dict[str, Any]) -> dict[str, Any]:
    if "metrics" in facts:
        return facts
    return {**{name: value for name, value in facts.items() if "." not in name}, "metrics": metrics_of(facts)}
