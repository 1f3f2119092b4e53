"""Old rows go, table by table, each by its policy. Recommendations: see `shared.db.recommendation_retention`."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, exists, func

from shared.db import event_log as log
from shared.db import event_quality, event_receipts
from shared.db import unjoined_events as unjoined
from shared.db.engine import Connection, Database
from shared.db.metric_cells import day_of
from shared.db.references import references_to
from shared.db.schema import (
    browsing_history,
    customers,
    drift_checks,
    event_log,
    failed_events,
    improvement_runs,
    input_counts,
    job_runs,
    list_facts,
    metric_cells,
    page_events,
    session_facts,
    sessions,
    unjoined_events,
    visitors,
)
from shared.db.slices import delete_rows
from shared.db.visitors import DERIVED
from shared.events.failed import APPLYING

FACTS = (session_facts, list_facts)
"""Tables that keep no visitor."""


def drop_views(database: Database, days: int) -> int:
    """Delete product views older than `days`."""
    columns = browsing_history.c
    return delete_rows(database, browsing_history, columns.id, columns.view_time < _ago(days))


def drop_page_events(database: Database, days: int) -> int:
    """Delete searches and views of other pages older than `days`."""
    columns = page_events.c
    return delete_rows(database, page_events, columns.id, columns.occurred_at < _ago(days))


def drop_sessions(database: Database, days: int) -> int:
    """Delete sessions that ended more than `days` ago and that nothing refers to any longer."""
    key = sessions.c.session_id
    used = [exists().where(column == key) for _, column in references_to(key)]
    unused: list[ColumnElement[bool]] = [~each for each in used]
    return delete_rows(database, sessions, key, sessions.c.last_event_at < _ago(days), *unused)


def drop_visitors(database: Database, days: int) -> int:
    """Delete visitors who did nothing for more than `days` and of whom nothing is kept any longer.

    Who became a customer is none, and who said anything about consent stays.
    """
    columns = customers.c
    idle = func.coalesce(columns.last_active, columns.registration_date) < _ago(days)
    names = {table: column for table, column in references_to(columns.customer_id) if table in (visitors, *DERIVED)}
    # Facts of their sessions outlive them, and name nobody then.
    kept = [column for table, column in references_to(columns.customer_id) if table not in (*names, *FACTS)]
    unused: list[ColumnElement[bool]] = [~exists().where(column == columns.customer_id) for column in kept]
    anonymous = (columns.external_id.is_(None), columns.consent_time.is_(None))
    return delete_rows(
        database, customers, columns.customer_id, *anonymous, idle, *unused, dependents=list(names.values())
    )


def drop_session_facts(database: Database, days: int) -> int:
    """Delete facts of sessions that began more than `days` ago, with their money."""
    columns = session_facts.c
    return delete_rows(database, session_facts, columns.session_id, columns.started_at < _ago(days))


def drop_metric_cells(database: Database, days: int) -> int:
    """Delete aggregates of lists that were made more than `days` ago."""
    columns = metric_cells.c
    return delete_rows(database, metric_cells, columns.cell_id, columns.day < day_of(_ago(days)))


def drop_input_counts(database: Database, days: int) -> int:
    """Delete counts of what came in more than `days` ago; a day has some hundred rows."""
    with database.write() as connection:
        return connection.execute(input_counts.delete().where(input_counts.c.day < day_of(_ago(days)))).rowcount


def drop_drift_checks(database: Database, days: int) -> int:
    """Delete looks for drift on days more than `days` ago; a day has one."""
    with database.write() as connection:
        return connection.execute(drift_checks.delete().where(drift_checks.c.day < day_of(_ago(days)))).rowcount


def drop_improvement_runs(database: Database, days: int) -> int:
    """Delete improvement runs that ended more than `days` ago; there is about one a day."""
    with database.write() as connection:
        old = improvement_runs.delete().where(improvement_runs.c.ended_at < _ago(days))
        return connection.execute(old).rowcount


def drop_failed_events(database: Database, days: int) -> int:
    """Give up events that an agent could not apply for more than `days`; they stay in the log for its own time."""
    columns = failed_events.c
    return delete_rows(database, failed_events, columns.sequence, columns.first_failed_at < _ago(days))


def expire_unjoined_events(database: Database, days: int) -> int:
    """Give up events that have waited for more than `days` for what they name, and return how many they were."""
    with database.write() as connection:
        return unjoined.expire(connection, _ago(days))


def drop_unjoined_events(database: Database, days: int) -> int:
    """Delete events that were received more than `days` ago and never joined."""
    columns = unjoined_events.c
    return delete_rows(database, unjoined_events, columns.id, columns.received_at < _ago(days))


def drop_event_faults(database: Database, days: int) -> int:
    """Delete counts of what was wrong with events more than `days` ago; an hour has some hundred rows at most."""
    with database.write() as connection:
        return event_quality.drop_before(connection, _ago(days))


def drop_job_runs(database: Database, days: int) -> int:
    """Delete runs of jobs that ended more than `days` ago, but the last of each kind."""
    columns, later = job_runs.c, job_runs.alias()
    followed = exists().where(later.c.kind == columns.kind, later.c.started_at > columns.started_at)
    return delete_rows(database, job_runs, columns.job_id, columns.ended_at < _ago(days), followed)


def drop_events(database: Database, days: int) -> int:
    """Delete events of the log that were received more than `days` ago.

    What an agent has yet to apply stays, and what it set aside.
    """
    columns = event_log.c
    with database.read() as connection:
        last = min(event_receipts.last_before(connection, _ago(days)), _applied_by_all(connection))
    if not last:
        return 0
    with database.write() as connection:
        log.note_trimmed(connection, last)
        event_receipts.forget(connection, last)
    aside = exists().where(failed_events.c.sequence == columns.sequence)
    return delete_rows(database, event_log, columns.sequence, columns.sequence <= last, ~aside)


def _applied_by_all(connection: Connection) -> int:
    """Return the number up to which every agent has applied the log; 0 where one has not begun."""
    return min(log.cursor(connection, agent) for agent in APPLYING)


def _ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)
