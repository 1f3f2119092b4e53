"""Algorithms with the parameters that tuning chose."""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.registry import CLASSES
from shared.db import tuning
from shared.db.engine import Connection

log = structlog.get_logger()


def read_tuned(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return by algorithm what differs from the default configuration, where something does."""
    return {name: tuned.params for name, tuned in tuning.all_tuned(connection).items() if tuned.params}


def tuned_algorithms(
    params: Mapping[str, Mapping[str, Any]], classes: tuple[type[Algorithm], ...] = CLASSES
) -> list[Algorithm]:
    """Return one unfitted algorithm of each kind, with its tuned parameters where there are any.

    Parameters that an algorithm does not know any more, of before an upgrade, leave it at its defaults.
    """
    return [_configured(each, params.get(each.name, {})) for each in classes]


def changed(algorithms: Iterable[Algorithm]) -> dict[str, dict[str, Any]]:
    """Return by algorithm the parameters that are not the defaults."""
    found = {each.name: _different(each) for each in algorithms}
    return {name: params for name, params in found.items() if params}


def _configured(algorithm: type[Algorithm], params: Mapping[str, Any]) -> Algorithm:
    default = algorithm()
    unknown = params.keys() - default.params.keys()
    if unknown:
        log.warning(
            "tuned parameters are out of date, the defaults are used", algorithm=algorithm.name, unknown=unknown
        )
        return default
    return algorithm(**params)


def _different(algorithm: Algorithm) -> dict[str, Any]:
    defaults = type(algorithm)().params
    return {name: value for name, value in algorithm.params.items() if value != defaults[name]}
