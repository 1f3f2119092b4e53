"""Predicts how often customers will buy (BG/NBD) and what they spend each time (gamma-gamma), by pymc-marketing.

Sources: Fader, Hardie & Lee, "Counting Your Customers the Easy Way", Marketing Science 2005,
doi:10.1287/mksc.1040.0098; Fader & Hardie, "The Gamma-Gamma Model of Monetary Value", 2013.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import FailedPrecondition

LEAST_REPEATING = 50
"""Customers with two days of orders or more that the four and three parameters are estimated from, at least."""
FLAGS = "cxx=,mode=FAST_COMPILE"
"""Of PyTensor: a fit of seven parameters takes less time than compiling it to C, and needs no compiler."""


@dataclass(frozen=True, eq=False)
class Histories:
    """Of customers, each of shape (n,): see `shared.db.lifetime_values.PurchaseHistory`; `value` in any unit."""

    repeats: NDArray[np.float64]
    recency: NDArray[np.float64]
    age: NDArray[np.float64]
    value: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predicted:
    """Of the customers, each of shape (n,): expected orders, probability of still buying, expected spending.

    `parameters` are the estimates: `r`, `alpha`, `a`, `b` of BG/NBD, `p`, `q`, `v` of gamma-gamma.
    """

    orders: NDArray[np.float64]
    alive: NDArray[np.float64]
    spending: NDArray[np.float64]
    parameters: dict[str, float]


def predict(histories: Histories, days: int) -> Predicted:
    """Return what customers are expected to do in the next days, by maximum likelihood, without discounting.

    Raises
    ------
    FailedPrecondition
        If the library is not installed, or fewer than LEAST_REPEATING customers bought again.
    """
    repeating = histories.repeats > 0
    if repeating.sum() < LEAST_REPEATING:
        raise FailedPrecondition(f"{repeating.sum()} customers bought again: it takes {LEAST_REPEATING} to predict")
    models, frame, prior = _library()
    flat = {name: prior("HalfFlat") for name in ("r", "alpha", "a", "b", "p", "q", "v")}
    data = frame(
        {
            "customer_id": np.arange(len(repeating)),
            "frequency": histories.repeats,
            "recency": histories.recency,
            "T": histories.age,
            # Of the scale of 1, whatever the currency: the estimates start there.
            "monetary_value": histories.value / histories.value[repeating].mean(),
        }
    )
    orders = models.BetaGeoModel(
        data=data.drop(columns="monetary_value"), model_config=_of(flat, "r", "alpha", "a", "b")
    )
    orders.fit(method="map", progressbar=False)
    money = models.GammaGammaModel(
        data=data.loc[repeating, ["customer_id", "frequency", "monetary_value"]], model_config=_of(flat, "p", "q", "v")
    )
    money.fit(method="map", progressbar=False)
    expected = _values(orders.expected_purchases(data=data, future_t=days))
    each = _values(money.expected_customer_spend(data=data)) * histories.value[repeating].mean()
    estimates = {**orders.fit_summary().to_dict(), **money.fit_summary().to_dict()}
    parameters = {name: float(estimates[name]) for name in flat}
    return Predicted(expected, _values(orders.expected_probability_alive(data=data)), expected * each, parameters)


def _library() -> tuple[Any, Any, Any]:
    os.environ.setdefault("PYTENSOR_FLAGS", FLAGS)
    try:
        from pandas import DataFrame
        from pymc_extras.prior import Prior
        from pymc_marketing import clv
    except ImportError as error:
        raise FailedPrecondition("predicting lifetime values needs `pip install quintet[clv]`") from error
    return clv, DataFrame, Prior


def _of(flat: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: flat[name] for name in names}


def _values(found: Any) -> NDArray[np.float64]:
    """Return what is predicted of each customer: there is one draw of one chain, the estimate."""
    return np.asarray(found.to_numpy(), dtype=np.float64).reshape(-1)


def to_histories(rows: Sequence[tuple[int, int, int, int, float]]) -> Histories:
    """Return rows of `PurchaseHistory` as arrays."""
    columns = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 4).T
    return Histories(*columns)
