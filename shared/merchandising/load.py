"""Loads what is stored of merchandising and of running experiments."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import structlog
from google.protobuf.message import DecodeError
from quintet.type.v1.experiment_pb2 import Experiment as ExperimentMessage
from quintet.type.v1.experiment_pb2 import ExperimentState
from quintet.type.v1.placement_pb2 import Placement as PlacementMessage
from quintet.type.v1.placement_pb2 import Rule as RuleMessage

from shared.db import placements
from shared.db.engine import Connection
from shared.db.placements import EXPERIMENTS, PLACEMENTS, RULES, Stored
from shared.errors import InvalidArgument
from shared.experiments.convert import to_experiment
from shared.merchandising.convert import to_placement, to_rule
from shared.merchandising.merchandising import Merchandising
from shared.telemetry import BACKGROUND_ERRORS

T = TypeVar("T")
log = structlog.get_logger()


def load_merchandising(connection: Connection, agent: str) -> Merchandising:
    """Return the placements, rules and running experiments that are stored, with the built-in placements.

    One that cannot be read, as another release stored it, is left out and counted for `agent`.
    """
    return Merchandising.of(
        _read(PLACEMENTS.list(connection), lambda each: to_placement(PlacementMessage.FromString(each)), agent),
        _read(RULES.list(connection), lambda each: to_rule(RuleMessage.FromString(each)), agent),
        placements.version(connection),
        _read(_running(connection), lambda each: to_experiment(ExperimentMessage.FromString(each)), agent),
    )


def _running(connection: Connection) -> Iterator[Stored]:
    for each in EXPERIMENTS.list(connection):
        if ExperimentMessage.FromString(each.definition).state == ExperimentState.EXPERIMENT_STATE_RUNNING:
            yield each


def _read(stored: Iterable[Stored], read: Callable[[bytes], T], agent: str) -> Iterator[T]:
    for each in stored:
        try:
            yield read(each.definition)
        except (InvalidArgument, DecodeError) as error:
            log.warning("a placement, rule or experiment cannot be read", id=each.id, error=repr(error))
            BACKGROUND_ERRORS.labels(agent, "merchandising").inc()
