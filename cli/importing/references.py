"""Refuse events that refer to what does not exist or does not fit; of orders only the lines concerned."""

from collections.abc import Callable, Collection, Container, Iterable, Sequence
from itertools import chain

from cli.importing.batch import RowBatch
from cli.importing.convert import Reject, rejected
from cli.importing.drafts import Draft
from shared.errors import InvalidArgument, NotFound
from shared.events import references
from shared.events.orders import OrderFacts, check_fits


def refuse_unknown(
    batch: RowBatch, drafts: Sequence[Draft], customers: Container[str], products: Container[str]
) -> tuple[list[Draft], list[Reject]]:
    """Return the events that refer to what exists, and the rows of the others."""
    kept: list[Draft] = []
    rejects: list[Reject] = []
    for draft in drafts:
        customer_id = draft.event.customer_id
        if customer_id and customer_id not in customers:
            reason = f"customer_id: {NotFound.of('customer', customer_id).message}"
            rejects.extend(rejected(batch, index, reason) for index in draft.rows)
        elif draft.by_line:
            rejects.extend(_drop_lines(batch, draft, products))
            if draft.rows:
                kept.append(draft)
        elif missing := _first_missing(draft, products):
            rejects.extend(rejected(batch, index, _no_product(missing)) for index in draft.rows)
        else:
            kept.append(draft)
    return kept, rejects


def refuse_unfitting(
    batch: RowBatch, drafts: Sequence[Draft], read_orders: Callable[[Collection[str]], dict[str, OrderFacts]]
) -> tuple[list[Draft], list[Reject]]:
    """Return the events without refunds that name an order which does not exist or is not theirs, and those rows."""
    if not any(draft.event.refund.purchase_id for draft in drafts):
        return list(drafts), []
    found = {draft.event.purchase.purchase_id: OrderFacts.of(draft.event) for draft in drafts}
    found |= read_orders({draft.event.refund.purchase_id for draft in drafts} - {"", *found})
    kept: list[Draft] = []
    rejects: list[Reject] = []
    for draft in drafts:
        problem = _misfit(draft, found) if draft.event.refund.purchase_id else ""
        rejects.extend(rejected(batch, index, problem) for index in draft.rows if problem)
        if not problem:
            kept.append(draft)
    return kept, rejects


def product_ids(drafts: Sequence[Draft]) -> set[str]:
    """Return the products that events name."""
    return set(chain.from_iterable(map(_named, drafts)))


def _named(draft: Draft) -> Iterable[str]:
    if draft.lines is not None:
        return draft.lines.products
    return references.product_ids(draft.event, draft.event.WhichOneof("detail"))


def _drop_lines(batch: RowBatch, draft: Draft, products: Container[str]) -> list[Reject]:
    """Take lines with unknown products out of an order."""
    rejects: list[Reject] = []
    if all(map(products.__contains__, _named(draft))):
        return rejects
    for place in range(len(draft.rows) - 1, -1, -1):
        product_id = draft.event.purchase.items[place].product_id
        if product_id not in products:
            rejects.append(rejected(batch, draft.rows[place], _no_product(product_id)))
            del draft.event.purchase.items[place]
            del draft.rows[place]
    draft.lines = None
    return rejects


def _first_missing(draft: Draft, products: Container[str]) -> str:
    return next((product_id for product_id in _named(draft) if product_id not in products), "")


def _no_product(product_id: str) -> str:
    return f"product_id: {NotFound.of('product', product_id).message}"


def _misfit(refund: Draft, orders: dict[str, OrderFacts]) -> str:
    """Return why a refund does not fit, "" if it does."""
    order_id = refund.event.refund.purchase_id
    if order_id not in orders:
        return f"order_id: {NotFound.of('purchase', order_id).message}"
    try:
        check_fits(refund.event, orders[order_id])
    except InvalidArgument as error:
        [violation] = error.violations
        column = violation.field.rpartition(".")[2].removesuffix("_code")
        return f"{column}: {violation.description}"
    return ""
