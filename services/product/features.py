"""What the product embedding is made from: one product's features, without ids."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProductFeatures:
    """The features of one product. Empty text and None mean unknown.

    `price_minor` is in minor units (cents); `rating` is the mean of the reviews, on any one scale.
    """

    name: str = ""
    description: str = ""
    category: str = ""
    subcategory: str = ""
    brand: str = ""
    tags: tuple[str, ...] = ()
    price_minor: int | None = None
    rating: float | None = None

    @property
    def text(self) -> str:
        """Name, description and tags as one text."""
        return " ".join((self.name, self.description, *self.tags))
