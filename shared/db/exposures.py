"""Who met which arm of an experiment first when; written by the recommendation agent with its log."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, case, func

from shared.db.engine import insert_into
from shared.db.schema import experiment_exposures
from shared.experiments.decision import Exposure


def record_exposures(connection: Connection, met: Sequence[tuple[Exposure, int | None, datetime]]) -> None:
    """Record arms that units met, with the key of the customer, if one is known, and when; what is known stays.

    A unit whose customer was not known yet gets its key as soon as it is.
    """
    columns = experiment_exposures.c
    rows: dict[tuple[str, int, str], dict[str, object]] = {}
    for exposure, customer_key, at in met:
        key = (exposure.experiment_id, exposure.unit, exposure.arm_id)
        before = rows.get(key)
        if before is None or before["customer_id"] is None:
            first = at if before is None else before["first_at"]
            rows[key] = {
                "experiment_id": exposure.experiment_id,
                "unit": exposure.unit,
                "arm": exposure.arm_id,
                "customer_id": customer_key,
                "session": exposure.session or None,
                "first_at": first,
            }
    if not rows:
        return
    statement = insert_into(connection, experiment_exposures)
    known = func.coalesce(columns.customer_id, statement.excluded.customer_id)
    earlier = case(
        (statement.excluded.first_at < columns.first_at, statement.excluded.first_at), else_=columns.first_at
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["experiment_id", "unit", "arm"],
            set_={"customer_id": known, "first_at": earlier},
            where=columns.customer_id.is_(None) | (statement.excluded.first_at < columns.first_at),
        ),
        list(rows.values()),
    )


def forget_exposures(connection: Connection, experiment_id: str) -> None:
    """Delete who met the arms of an experiment."""
    connection.execute(experiment_exposures.delete().where(experiment_exposures.c.experiment_id == experiment_id))
