"""How shoppers respond, and what the simulated shop is like: fixed beforehand, never tuned to a result.

Each number is a published finding, or a round number near one where findings differ by shop. What is learned from the
data (needs, tastes, loyalty, prices, complements) is not here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviour:
    """Parameters of the responses. Odds multiply; a logit of +0.69 doubles them."""

    recalled_share: float = 0.75
    """Share of the needs that a shopper remembers by themselves. Shopping lists leave out part of what is needed: Block
    & Morwitz 1999, doi:10.1207/s15327663jcp0804_01; most decisions fall in the shop: Inman, Winer & Ferraro 2009,
    doi:10.1509/jmkg.73.5.19."""
    seen_share: tuple[float, float, float] = (0.7, 0.5, 0.6)
    """Chance that the lists of the start page, a product's page and the cart are looked at at all."""
    position_exponent: float = 0.7
    """Place k of a list that is looked at is examined with probability k ** -exponent: the position-based model of
    Joachims, Swaminathan & Schnabel 2017, doi:10.1145/3018661.3018699, whose curves have exponents between 0 and 2."""
    click_base: float = 0.01
    """Chance of a click on an examined product of average appeal that nobody needs. Displays by chance in the Open
    Bandit data get 0.4 clicks in a hundred (Saito et al., NeurIPS 2021), recommendations of shops one to five."""
    click_taste: float = 0.5
    """Logit of a click for each natural logarithm of the rate at which the household would buy the product."""
    cart_base: float = 0.15
    """Chance that a clicked product of average appeal comes into the cart; 5 to 20 in 100 views are usual."""
    cart_taste: float = 0.5
    """As `click_taste`, for the cart after a click."""
    needed_logit: float = 2.5
    """Added where the product's category is needed and was forgotten: a recommendation reminds."""
    wanted_logit: float = 1.5
    """Added where it is needed, remembered, and not in the cart yet: such a purchase takes the place of the other."""
    satisfied_logit: float = -1.5
    """Added where the category is in the cart already."""
    complement_logit: float = 0.5
    """For each natural logarithm of the largest lift between the product's category and one in the cart, at most 2."""
    session_noise: float = 0.5
    """Standard deviation of a session's mood, in logits of a click: some look around, some are in a hurry."""
    purchase_share: float = 0.85
    """Chance that what a recommendation brought into the cart is bought; grocery carts are seldom given up."""
    refund_share: float = 0.01
    """Share of the lines that are given back."""
    refund_days: int = 3
    """Days after the purchase."""
    dwell_seconds: float = 25.0
    """Median of the log-normal time on a product's page."""
    dwell_spread: float = 0.7
    quick_return_share: float = 0.35
    """Chance that a clicked product of average appeal is left at once; it falls with appeal as the cart's chance grows.
    Clicks with a short dwell do not satisfy: Kim et al. 2014, doi:10.1145/2556195.2556220."""
    quick_return_seconds: float = 4.0
    """Mean time on the page then."""

    drift_share: float = 0.4
    """Share of the households that take over the tastes of another one on the day of the drift."""
    drift_popularity: float = 0.4
    """Standard deviation of the logarithm by which the demand for each department changes for everybody then."""
    cold_customers: float = 0.1
    """Share of the households that register during the simulation."""
    cold_products: float = 0.06
    """Share of the products that enter the assortment during the simulation."""
    cost_share: float = 0.72
    """Cost as a share of the regular price: gross margins of grocers are 25 to 30 in 100; by department it is up to a
    tenth more or less."""


@dataclass(frozen=True)
class Sizes:
    """How large the simulated shop is, and how long it runs."""

    households: int = 800
    categories: int = 70
    products_per_category: int = 20
    factors: int = 24
    """Latent taste factors."""
    history_days: int = 150
    days: int = 45
    """Simulated days with recommendations."""
    warm_up_days: int = 5
    """Days at the start that no lift counts."""
    drift_day: int = 30
    """Day of the run on whose morning tastes change."""
    visit_share: float = 0.6
    """Share of a household's shopping trips that come to the simulated shop; with 800 households some 70 sessions a
    day."""
    home_count: int = 10
    product_count: int = 6
    cart_count: int = 6
