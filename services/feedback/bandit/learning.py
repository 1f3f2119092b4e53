"""Learns what variants earn, from logged decisions and their responses.

The statistics of a day are stored by variant. Those of days whose rewards can still change are made anew each time, so
learning may be repeated and interrupted as one likes; older days are added as they were stored. What is older counts
less: half after the half-life that the placement names.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta

import numpy as np
import structlog
from quintet.type.v1.placement_pb2 import Placement as PlacementMessage

from services.feedback.attribution import Windows
from services.feedback.bandit.learned import LearnedBandits
from shared.bandit.context import NAMES
from shared.bandit.posterior import RewardStatistics, posteriors
from shared.bandit.reward import RETURN_WITHIN, came_back, reward_of
from shared.db import bandits
from shared.db.bandits import DecidedList
from shared.db.engine import Connection, Database
from shared.db.metric_cells import day_of, start_of
from shared.db.orders import usual_currency
from shared.db.placements import PLACEMENTS
from shared.db.sessions import SILENCE
from shared.errors import InvalidArgument
from shared.experiments.bandit_plan import BanditPlan
from shared.merchandising.convert import to_placement

HALF_LIVES = 6
"""Age, in half-lives, from which days count nothing: they have less than 2 % of their weight left."""
log = structlog.get_logger()


def learn_bandits(database: Database, windows: Windows, now: datetime) -> LearnedBandits:
    """Compute the posteriors of all placements with a bandit anew and store them."""
    with database.read() as connection:
        plans = _plans(connection)
        currency = usual_currency(connection)
    learned = [_learn(database, name, plan, currency, windows, now) for name, plan in plans.items()]
    return LearnedBandits(len(learned), sum(learned))


def weighted(days: dict[int, dict[str, RewardStatistics]], plan: BanditPlan, today: int) -> dict[str, RewardStatistics]:
    """Return the statistics of each variant of a plan over all days, weighted by their age."""
    total = {each.variant_id: RewardStatistics.nothing(len(NAMES)) for each in plan.variants}
    for day, variants in days.items():
        weight = 0.5 ** (max(today - day, 0) / plan.half_life_days)
        for name in variants.keys() & total.keys():
            total[name] = total[name] + variants[name].scaled(weight)
    return total


def _plans(connection: Connection) -> dict[str, BanditPlan]:
    found = {}
    for stored in PLACEMENTS.list(connection):
        try:
            placement = to_placement(PlacementMessage.FromString(stored.definition))
        except InvalidArgument as error:
            log.warning("a placement cannot be read", id=stored.id, error=repr(error))
            continue
        if placement.bandit is not None:
            found[stored.id] = placement.bandit
    return found


def _learn(database: Database, name: str, plan: BanditPlan, currency: str, windows: Windows, now: datetime) -> int:
    digest = hashlib.sha256(repr((astuple(plan.reward), currency, NAMES)).encode()).hexdigest()
    today = day_of(now)
    with database.read() as connection:
        known = bandits.stored_statistics(connection, name, digest)
        anew = {
            day: _statistics(connection, name, plan, currency, day, now)
            for day in _changing(known, plan, windows, today)
        }
    oldest = _oldest(plan, today)
    days = {day: each for day, each in {**known, **anew}.items() if day >= oldest}
    learned = posteriors(weighted(days, plan, today))
    with database.write() as connection:
        bandits.store_statistics(connection, name, digest, anew, oldest)
        bandits.store_posteriors(connection, name, learned, now)
    return sum(each.decisions for each in learned.values())


def _changing(known: Mapping[int, object], plan: BanditPlan, windows: Windows, today: int) -> range:
    """Return the days whose rewards may have changed since they were stored: all, where nothing is stored."""
    open_days = max(windows.longest, RETURN_WITHIN if plan.reward.return_visit else timedelta()).days + 1
    oldest = _oldest(plan, today)
    return range(max(oldest, today - open_days if known else oldest), today + 1)


def _oldest(plan: BanditPlan, today: int) -> int:
    """Return the oldest day that counts."""
    return int(today - HALF_LIVES * plan.half_life_days) + 1


def _statistics(
    connection: Connection, name: str, plan: BanditPlan, currency: str, day: int, now: datetime
) -> dict[str, RewardStatistics]:
    """Return the statistics of one day by variant.

    Lists that nobody saw are left out where the shop says what is seen. So are those of sessions that may go on: most
    of what comes of a list comes in the session it was shown in.
    """
    start = start_of(day)
    end = min(start_of(day + 1), now - SILENCE)
    if end <= start:
        return {}
    found = seen(bandits.decided_lists(connection, name, start, end, currency))
    visits: dict[int, list[datetime]] = {}
    if plan.reward.return_visit:
        customers = {each.customer_key for each in found if each.customer_key is not None}
        visits = bandits.returned(connection, customers, start, end + RETURN_WITHIN + SILENCE)
    by_variant: defaultdict[str, list[DecidedList]] = defaultdict(list)
    for each in found:
        if len(each.decision.features) == len(NAMES):
            by_variant[each.decision.variant_id].append(each)

    def earned(each: DecidedList) -> float:
        returned = came_back(each.generated_at, visits.get(each.customer_key or 0, ()), SILENCE)
        return reward_of(each.responses, plan.reward, currency, returned=returned)

    return {
        variant: RewardStatistics.of(
            np.array([each.decision.features for each in lists]), np.array([earned(each) for each in lists])
        )
        for variant, lists in by_variant.items()
    }


def seen(lists: Iterable[DecidedList]) -> Sequence[DecidedList]:
    """Return the lists that were seen; all of them, where the shop reports clicks alone and not what is on screen."""
    every = list(lists)
    reports = any(each.responses.shown > each.responses.clicked for each in every)
    return [each for each in every if each.responses.shown] if reports else every
