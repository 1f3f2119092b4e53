"""Where trainings read what customers did: the database, or a warehouse's files."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from sqlalchemy import Connection

from shared.db import interactions
from shared.db.interactions import InteractionRows

InteractionReader: TypeAlias = Callable[[Connection], InteractionRows]
PARQUET = "parquet:"


def interaction_reader(source: str) -> InteractionReader:
    """Return what reads the interactions of a training source: `database` or `parquet:/folder`."""
    if not source.startswith(PARQUET):
        return interactions.training_interactions
    from shared.db.warehouse import read_folder  # with pyarrow and pandas: trainings on the database start without

    return partial(read_folder, folder=source.removeprefix(PARQUET))
