"""What came of logged lists, as a whole or item by item: marks, grades of clicks, and what last touch credits."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Integer, Select, case, cast, func, select

from shared.db.batches import among
from shared.db.graded_clicks import BEST_GRADE
from shared.db.schema import recommendation_outcomes, recommendations


class Responses(NamedTuple):
    """What came of a list, or of one of its items.

    The first four are numbers of recommendations. `clicks` is the sum of the grades of those that were clicked;
    `revenue` and `margin` are in minor units of the currency asked for, `margin` of products with a cost.
    """

    shown: int = 0
    clicked: int = 0
    added_to_cart: int = 0
    purchased: int = 0
    revenue: int = 0
    margin: int = 0
    clicks: float = 0.0


NO_RESPONSES = Responses()
_BY_LIST = (recommendations.c.list_id,)
_BY_ITEM = (recommendations.c.list_id, recommendations.c.product_id)


def responses_by_list(connection: Connection, lists: Collection[int], currency: str) -> dict[int, Responses]:
    """Return what came of lists by number; those that nobody responded to are missing."""
    return {key[0]: each for key, each in _responses(connection, lists, currency, _BY_LIST).items()}


def responses_by_item(
    connection: Connection, lists: Collection[int], currency: str
) -> dict[tuple[int, int], Responses]:
    """Return what came of the items of lists, by number of the list and key of the product, as `responses_by_list`."""
    return {(key[0], key[1]): each for key, each in _responses(connection, lists, currency, _BY_ITEM).items()}


def _responses(
    connection: Connection, lists: Collection[int], currency: str, by: tuple[Column[Any], ...]
) -> dict[tuple[int, ...], Responses]:
    named, size = among(connection, recommendations.c.list_id, lists), len(by)

    def rows(query: Select[Any]) -> dict[tuple[int, ...], tuple[Any, ...]]:
        return {tuple(row[:size]): tuple(row[size:]) for row in connection.execute(query)}

    marks, money, grades = rows(_marks(named, by)), rows(_money(named, by, currency)), rows(_grades(named, by))
    nothing = (0, 0)
    found = {}
    for key, (shown, clicked, carted, bought) in marks.items():
        revenue, margin = money.get(key, nothing)
        grade = float(grades.get(key, (0.0,))[0])
        found[key] = Responses(int(shown), int(clicked), int(carted), int(bought), int(revenue), int(margin), grade)
    return found


def _marks(named: Any, by: tuple[Column[Any], ...]) -> Select[Any]:
    columns = recommendations.c

    def count(flag: Any) -> Any:
        return func.sum(case((flag, 1), else_=0), type_=Integer)

    flags = (columns.was_shown, columns.was_clicked, columns.was_added_to_cart, columns.was_purchased)
    return select(*by, *(count(flag) for flag in flags)).where(named).group_by(*by)


def _grades(named: Any, by: tuple[Column[Any], ...]) -> Select[Any]:
    """Return the sum of the grades of clicks: of each recommendation the best; one that is not graded is 1."""
    columns, outcomes = recommendations.c, recommendation_outcomes.c
    best = (
        select(*by, BEST_GRADE.label("grade"))
        .join(recommendation_outcomes, outcomes.recommendation_id == columns.id)
        .where(named, outcomes.kind == "click")
        .group_by(*by, columns.id)
        .subquery()
    )
    keys = [best.c[column.name] for column in by]
    return select(*keys, func.sum(best.c.grade)).group_by(*keys)


def _money(named: Any, by: tuple[Column[Any], ...], currency: str) -> Select[Any]:
    columns, outcomes = recommendations.c, recommendation_outcomes.c
    return (
        select(
            *by,
            cast(func.sum(outcomes.amount), BigInteger),
            cast(func.coalesce(func.sum(outcomes.margin), 0), BigInteger),
        )
        .join(recommendation_outcomes, outcomes.recommendation_id == columns.id)
        .where(named, outcomes.kind == "purchase", outcomes.currency == currency)
        .group_by(*by)
    )
