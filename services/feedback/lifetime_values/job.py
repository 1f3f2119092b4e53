"""The child process: `python -m services.feedback.lifetime_values.job DAYS`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from services.feedback.lifetime_values.model import Predicted, predict, to_histories
from shared.config import Settings
from shared.db import lifetime_values
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.db.lifetime_values import Prediction, PurchaseHistory
from shared.errors import FailedPrecondition
from shared.jobs import ProgressReporter, job_main


def work(days: int, settings: Settings, reporter: ProgressReporter) -> dict[str, Any]:
    """Predict what every customer spends in the next days, store it, and return what came of it by currency."""
    database = job_database(settings)
    try:
        return predict_all(database, days, reporter, datetime.now(UTC))
    finally:
        database.close()


def predict_all(database: Database, days: int, reporter: ProgressReporter, now: datetime) -> dict[str, Any]:
    """Predict in each currency in which enough customers bought again.

    Raises FailedPrecondition if there is none such, or the library is not installed.
    """
    reporter.report("reading orders", 0.0)
    with database.read() as connection:
        found = lifetime_values.histories(connection, now)
    result: dict[str, Any] = {}
    problem = FailedPrecondition("nobody has bought anything")
    for place, (currency, rows) in enumerate(found.items()):
        reporter.report(f"predicting in {currency}", 0.05 + 0.9 * place / len(found))
        try:
            predicted = predict(to_histories(rows), days)
        except FailedPrecondition as error:
            problem = error
            continue
        with database.write() as connection:
            lifetime_values.replace_predictions(connection, currency, _rows(rows, predicted), days, now)
        mean = float(predicted.spending.mean())
        result[currency] = {"customers": len(rows), "mean": round(mean), "parameters": predicted.parameters}
    if not result:
        raise problem
    return {"days": days, "currencies": result}


def _rows(histories: Sequence[PurchaseHistory], predicted: Predicted) -> list[Prediction]:
    columns = (predicted.spending, predicted.orders, predicted.alive)
    values = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Prediction(each.customer_key, round(spending), orders, alive)
        for each, (spending, orders, alive) in zip(histories, values, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(job_main("feedback", partial(work, int(sys.argv[1]))))
