"""The words files use for what happened, and the field of the contract's Event each stands for."""

from collections.abc import Iterable, Mapping

from shared.errors import InvalidArgument

PRODUCT_VIEW, ADD, REMOVE, PURCHASE, REFUND = "product_view", "add_to_cart", "remove_from_cart", "purchase", "refund"
SEARCH, CATEGORY_VIEW, HOME_VIEW, CART_VIEW, PAGE_VIEW = (
    "search",
    "category_view",
    "home_view",
    "cart_view",
    "page_view",
)
CUSTOM = "custom:"

NAMES: dict[str, tuple[str, ...]] = {
    PRODUCT_VIEW: ("product_view", "view", "detail", "pv"),
    ADD: ("add_to_cart", "addtocart", "cart", "add"),
    REMOVE: ("remove_from_cart", "removefromcart", "remove"),
    PURCHASE: ("purchase", "buy", "order", "transaction"),
    REFUND: ("refund", "return"),
    SEARCH: ("search",),
    CATEGORY_VIEW: ("category_view",),
    HOME_VIEW: ("home_view", "home"),
    CART_VIEW: ("cart_view",),
    PAGE_VIEW: ("page_view", "pageview"),
}


class EventTypes:
    """Finds the type a row means.

    Parameters
    ----------
    own : mapping of str to str
        Names of the file's own with the type each means, such as `fav` with `custom:favourite`; under "" the type of
        rows that name none.
    """

    def __init__(self, own: Mapping[str, str]) -> None:
        self._types = {name: kind for kind, names in NAMES.items() for name in names}
        for theirs, ours in own.items():
            self._types[theirs.lower()] = self.of(ours)

    def of(self, name: str) -> str:
        """Return the field of Event that `name` means, or `custom:NAME`. Raises InvalidArgument for an unknown one."""
        found = self._types.get(name) or self._types.get(name.lower().replace(" ", "_").replace("-", "_"))
        if found is not None:
            return found
        if name.startswith(CUSTOM) and len(name) > len(CUSTOM):
            return name
        if not name:
            raise InvalidArgument.of("event_type", name, "is required: give a column or --event-type")
        raise InvalidArgument.of("event_type", name, f"must be one of {', '.join(NAMES)} or custom:NAME")


def parse_event_types(options: Iterable[str]) -> dict[str, str]:
    """Turn `--event-type` options, `OURS` or `THEIRS=OURS`, into what `EventTypes` takes.

    Raises InvalidArgument for unknown types.
    """
    own: dict[str, str] = {}
    for option in options:
        theirs, _, ours = option.rpartition("=")
        own[theirs] = ours
    try:
        EventTypes(own)
    except InvalidArgument as error:
        raise InvalidArgument(f"--event-type: {error}") from error
    return own
