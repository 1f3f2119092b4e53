"""The features of a product from which its embedding is computed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProductFeatures:
    """The features of one product. Empty text and None mean unknown.

    `price_minor` is in minor units (cents). `rating` is the mean of the reviews; all products must use the same scale.
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
