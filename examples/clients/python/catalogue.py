"""The platform's side of the journey: a few products of its own, a new price for one of them, and their removal."""

import uuid
from collections.abc import Iterator

from checks import Fields, check
from connection import DEADLINE_SECONDS
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from quintet.type.v1 import money_pb2, product_pb2

NAMES = ("Example espresso", "Example filter coffee", "Example decaf")
OLD_PRICE = 899
NEW_PRICE = 449
AFFORDABLE = "5.00"
"""Above the new price and below the old one, in whole units of the currency, as filters have it."""


class Catalogue:
    """Products of a brand that nobody else has, so that a run meets neither the shop's own nor those of another run."""

    def __init__(self, stub: CoordinatorServiceStub) -> None:
        self._stub = stub
        run = uuid.uuid4().hex[:12]
        self.brand = f"Example {run}"
        self.ids = [f"example-python-{run}-{number}" for number in range(len(NAMES))]

    @property
    def affordable(self) -> str:
        """Filter expression that holds for the product with the new price alone."""
        return f'brand = "{self.brand}" AND price < {AFFORDABLE}'

    def import_products(self) -> Fields:
        """Send the products as a stream, which takes a catalogue of any size; sending it again does no harm."""
        answer = self._stub.ImportProducts(self._requests(), timeout=DEADLINE_SECONDS)
        check(answer.created == len(self.ids), f"{len(self.ids)} new products, got {answer.created}")
        return {"product_ids": self.ids, "created": answer.created, "rejected": answer.rejected}

    def change_price(self) -> Fields:
        """Change a price alone; what is stored of the product otherwise stays."""
        update = product_pb2.PriceUpdate(product_id=self.ids[0], price=usd(NEW_PRICE))
        self._stub.UpdatePrices(pb.UpdatePricesRequest(updates=[update]), timeout=DEADLINE_SECONDS)
        stored = self._stub.GetProduct(pb.GetProductRequest(product_id=self.ids[0]), timeout=DEADLINE_SECONDS).product
        price = stored.price.amount_minor
        check((stored.name, price) == (NAMES[0], NEW_PRICE), f"{NAMES[0]} at {NEW_PRICE}, got {stored.name} at {price}")
        return {"product_id": stored.product_id, "amount_minor": price}

    def delete_products(self) -> Fields:
        deleted = []
        for product_id in self.ids:
            request = pb.DeleteProductRequest(product_id=product_id)
            deleted.append(self._stub.DeleteProduct(request, timeout=DEADLINE_SECONDS).deleted)
        check(all(deleted), f"each product deleted, got {deleted}")
        return {"deleted": deleted}

    def _requests(self) -> Iterator[pb.ImportProductsRequest]:
        for product_id, name in zip(self.ids, NAMES, strict=True):
            product = product_pb2.Product(
                product_id=product_id, name=name, category="Coffee", brand=self.brand, price=usd(OLD_PRICE)
            )
            yield pb.ImportProductsRequest(product=product)


def usd(amount_minor: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="USD", amount_minor=amount_minor)
