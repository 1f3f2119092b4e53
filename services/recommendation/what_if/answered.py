"""Reads the answered lists of a placement and what they earned, a portion at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.recommendation.bounded_work import BoundedWork
from services.recommendation.what_if.request import EvaluationRequest
from shared.bandit.reward import RETURN_WITHIN, came_back, reward_of
from shared.db import bandits, customers, recommended_lists
from shared.db.engine import Connection, Database
from shared.db.list_responses import NO_RESPONSES, Responses, responses_by_item, responses_by_list
from shared.db.recommended_lists import AnsweredList, PlacementLists
from shared.db.sessions import SILENCE
from shared.merchandising.placement import built_in_id

PORTION = 200


@dataclass(frozen=True)
class EarnedList:
    """An answered list and what it earned, in the unit of the reward.

    `by_product` has what each product earned, by key; it is empty where only whole lists were asked for. `shopper` is
    the customer's and the visitor's id of the platform, each of which may be missing.
    """

    answered: AnsweredList
    reward: float
    by_product: Mapping[int, float]
    shopper: tuple[str | None, str | None] = (None, None)

    @property
    def unit(self) -> int:
        """The unit of assignment: the customer, or the list itself where nobody is known; below 0 then."""
        key = self.answered.customer_key
        return -1 - abs(self.answered.number) if key is None else key


@dataclass(frozen=True)
class AnsweredLists:
    """The lists that a request is about, newest first.

    Parameters
    ----------
    database : Database
    request : EvaluationRequest
    currency : str
        Of the money.
    """

    database: Database
    request: EvaluationRequest
    currency: str

    def read(self, work: BoundedWork, *, by_product: bool) -> Iterator[EarnedList]:
        """Yield the lists with what they earned, and with rests; `work` says afterwards whether some were left out."""
        yield from work.over(self._every(work, by_product=by_product))

    def _every(self, work: BoundedWork, *, by_product: bool) -> Iterator[EarnedList]:
        wanted, left, before = self._wanted(), self.request.lists, None
        while left > 0:
            with self.database.read() as connection:
                some = recommended_lists.of_placement(connection, wanted, min(left, PORTION), before)
                earned = self._by_product(connection, some) if by_product else self._by_list(connection, some)
            yield from earned
            if not some:
                return
            left, before = left - len(some), some[-1]
        with self.database.read() as connection:
            work.incomplete |= bool(recommended_lists.of_placement(connection, wanted, 1, before))

    def _wanted(self) -> PlacementLists:
        placement = self.request.placement
        built_in = placement.placement_id == built_in_id(placement.page)
        page = placement.page.value if built_in else None
        return PlacementLists(placement.placement_id, page, self.request.start, self.request.end)

    def _by_list(self, connection: Connection, lists: Sequence[AnsweredList]) -> list[EarnedList]:
        found = responses_by_list(connection, [each.number for each in lists], self.currency)
        visits = self._visits(connection, lists)

        def reward(each: AnsweredList) -> float:
            returned = came_back(each.generated_at, visits.get(each.customer_key or 0, ()), SILENCE)
            return self._worth(found.get(each.number, NO_RESPONSES), returned=returned)

        return [EarnedList(each, reward(each), {}) for each in lists]

    def _by_product(self, connection: Connection, lists: Sequence[AnsweredList]) -> list[EarnedList]:
        found = responses_by_item(connection, [each.number for each in lists], self.currency)
        known = {each.customer_key for each in lists if each.customer_key is not None}
        shoppers = customers.shopper_ids(connection, known)
        worth: dict[int, dict[int, float]] = {}
        for (number, product), responses in found.items():
            worth.setdefault(number, {})[product] = self._worth(responses)
        return [
            EarnedList(each, sum(parts.values()), parts, shoppers.get(each.customer_key or 0, (None, None)))
            for each in lists
            for parts in [worth.get(each.number, {})]
        ]

    def _visits(self, connection: Connection, lists: Sequence[AnsweredList]) -> Mapping[int, list[datetime]]:
        keys = {each.customer_key for each in lists if each.customer_key is not None}
        if not self.request.reward.return_visit or not keys:
            return {}
        times = [each.generated_at for each in lists]
        return bandits.returned(connection, keys, min(times), max(times) + RETURN_WITHIN + SILENCE)

    def _worth(self, responses: Responses, *, returned: bool = False) -> float:
        return reward_of(responses, self.request.reward, self.currency, returned=returned)
