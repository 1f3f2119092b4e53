"""What bandits decided, what came of it, and what was learned from it; written by the feedback agent."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, select

from shared.bandit.posterior import Floats, Posterior, RewardStatistics
from shared.db.batches import batches
from shared.db.engine import next_count
from shared.db.list_responses import NO_RESPONSES, Responses, responses_by_list
from shared.db.placements import COUNTER
from shared.db.schema import (
    bandit_posteriors,
    bandit_statistics,
    recommendation_lists,
    sessions,
)
from shared.experiments.decision import ListDecision

FLOAT = np.dtype("<f8")


@dataclass(frozen=True)
class DecidedList:
    """A list that a bandit filled, and what came of it."""

    list_id: int
    customer_key: int | None
    generated_at: datetime
    decision: ListDecision
    responses: Responses


def decided_lists(
    connection: Connection, placement_id: str, start: datetime, end: datetime, currency: str
) -> Iterator[DecidedList]:
    """Yield the lists of a placement that its bandit filled from `start` to `end` (exclusive), in any order."""
    lists = recommendation_lists.c
    query = select(lists.id, lists.customer_id, lists.generated_at, lists.decision).where(
        lists.generated_at >= start,
        lists.generated_at < end,
        lists.placement_id == placement_id,
        lists.decision.is_not(None),
    )
    for some in batches(list(connection.execute(query))):
        responses = responses_by_list(connection, [row.id for row in some], currency)
        for row in some:
            decision = ListDecision.of_json(row.decision)
            if decision.variant_id:
                earned = responses.get(row.id, NO_RESPONSES)
                yield DecidedList(row.id, row.customer_id, row.generated_at, decision, earned)


def returned(
    connection: Connection, customers: Iterable[int], start: datetime, end: datetime
) -> dict[int, list[datetime]]:
    """Return when sessions of customers began from `start` to `end`, oldest first, by customer."""
    found: dict[int, list[datetime]] = {}
    columns = sessions.c
    for some in batches(sorted(set(customers))):
        query = select(columns.customer_id, columns.started_at).where(
            columns.customer_id.in_(some), columns.started_at >= start, columns.started_at < end
        )
        for customer, began in connection.execute(query.order_by(columns.started_at)):
            found.setdefault(customer, []).append(began)
    return found


def stored_statistics(connection: Connection, placement_id: str, reward: str) -> dict[int, dict[str, RewardStatistics]]:
    """Return the statistics of a placement that were made with a reward, by day and variant."""
    columns = bandit_statistics.c
    query = select(bandit_statistics).where(columns.placement_id == placement_id, columns.reward == reward)
    found: dict[int, dict[str, RewardStatistics]] = {}
    for row in connection.execute(query):
        moment = _array(row.moment)
        gram = _array(row.gram).reshape(len(moment), len(moment))
        statistics = RewardStatistics(gram, moment, row.squares, float(row.decisions), row.decisions)
        found.setdefault(row.day, {})[row.variant_id] = statistics
    return found


def store_statistics(
    connection: Connection,
    placement_id: str,
    reward: str,
    days: Mapping[int, Mapping[str, RewardStatistics]],
    oldest: int,
) -> None:
    """Replace the statistics of days of a placement; those of another reward, or of days before `oldest`, go."""
    columns = bandit_statistics.c
    connection.execute(
        bandit_statistics.delete().where(
            columns.placement_id == placement_id,
            columns.day.in_(list(days)) | (columns.reward != reward) | (columns.day < oldest),
        )
    )
    rows = [
        {
            "placement_id": placement_id,
            "variant_id": name,
            "day": day,
            "reward": reward,
            "gram": _packed(each.gram),
            "moment": _packed(each.moment),
            "squares": each.squares,
            "decisions": each.decisions,
        }
        for day, variants in days.items()
        for name, each in variants.items()
    ]
    if rows:
        connection.execute(bandit_statistics.insert(), rows)


def store_posteriors(connection: Connection, placement_id: str, learned: Mapping[str, Posterior], at: datetime) -> None:
    """Replace what is believed of the variants of a placement; replicas take it over within a second."""
    connection.execute(bandit_posteriors.delete().where(bandit_posteriors.c.placement_id == placement_id))
    rows = [
        {
            "placement_id": placement_id,
            "variant_id": name,
            "mean": _packed(each.mean),
            "covariance": _packed(each.covariance),
            "decisions": each.decisions,
            "learned_at": at,
        }
        for name, each in learned.items()
    ]
    if rows:
        connection.execute(bandit_posteriors.insert(), rows)
    next_count(connection, COUNTER)


def posteriors(connection: Connection) -> dict[str, dict[str, Posterior]]:
    """Return what is believed of variants, by placement and variant."""
    found: dict[str, dict[str, Posterior]] = {}
    for row in connection.execute(select(bandit_posteriors)):
        mean = _array(row.mean)
        covariance = _array(row.covariance).reshape(len(mean), len(mean))
        found.setdefault(row.placement_id, {})[row.variant_id] = Posterior(mean, covariance, row.decisions)
    return found


def _packed(array: Floats) -> bytes:
    return np.ascontiguousarray(array, FLOAT).tobytes()


def _array(packed: bytes) -> Floats:
    return np.frombuffer(packed, FLOAT).astype(np.float64)
