"""The features of shopper, page and time by which a bandit's variants may differ in what they earn."""

from datetime import datetime
from math import cos, log1p, pi, sin

NAMES = ("one", "familiar", "bought", "in_session", "cart", "weekend", "hour_sine", "hour_cosine")
"""`one` is 1 always; the others are from -1 to 1."""
FAMILIAR_HALF = 20.0
MOST_BOUGHT = 100
MOST_IN_SESSION = 10
MOST_IN_CART = 10


def features(
    strength: float, bought: int, in_session: int, in_cart: int, at: datetime
) -> tuple[float, float, float, float, float, float, float, float]:
    """Return the features of a list, in the order of `NAMES`.

    Parameters
    ----------
    strength : float
        Interaction strength of the shopper, in views.
    bought, in_session, in_cart : int
        Products that were ever bought, met in this session, and are in the cart.
    at : datetime
        The moment of asking, in UTC.
    """
    angle = 2 * pi * (at.hour + at.minute / 60) / 24
    return (
        1.0,
        strength / (strength + FAMILIAR_HALF),
        min(1.0, log1p(bought) / log1p(MOST_BOUGHT)),
        min(1.0, in_session / MOST_IN_SESSION),
        min(1.0, in_cart / MOST_IN_CART),
        float(at.weekday() >= 5),
        sin(angle),
        cos(angle),
    )
