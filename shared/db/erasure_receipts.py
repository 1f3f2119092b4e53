"""Receipts of erasures: what was erased and when, verifiable, without a name."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from shared.db.schema import erasure_receipts
from shared.db.types import to_micros
from shared.errors import DataLoss, NotFound


@dataclass(frozen=True)
class Receipt:
    """What was erased: rows by table, tables without any left out. Names nobody.

    `models_time` is since when no stored model has a history of the erased; None before.
    """

    receipt_id: str
    erased_at: datetime
    rows: dict[str, int]
    checksum: str
    models_time: datetime | None = None


def store_receipt(connection: Connection, rows: Mapping[str, int], forgotten: int) -> Receipt:
    """Store and return the receipt of an erasure; `forgotten` is the number up to which models must forget."""
    receipt_id, now = uuid.uuid4().hex, datetime.now(UTC)
    receipt = Receipt(receipt_id, now, dict(rows), checksum(receipt_id, now, rows))
    values = {"receipt_id": receipt_id, "erased_at": now, "rows": receipt.rows, "checksum": receipt.checksum}
    connection.execute(erasure_receipts.insert().values(**values, forgotten=forgotten))
    return receipt


def read_receipt(connection: Connection, receipt_id: str) -> Receipt:
    """Return a stored receipt.

    Raises NotFound for an unknown one, DataLoss for one that does not match its checksum.
    """
    columns = erasure_receipts.c
    found = connection.execute(select(erasure_receipts).where(columns.receipt_id == receipt_id)).one_or_none()
    if found is None:
        raise NotFound.of("erasure receipt", receipt_id, "receipt_id")
    computed = checksum(found.receipt_id, found.erased_at, found.rows)
    if found.checksum not in (None, computed):
        raise DataLoss(f"erasure receipt {receipt_id}: it does not match its checksum")
    return Receipt(found.receipt_id, found.erased_at, found.rows, found.checksum or "", found.models_time)


def checksum(receipt_id: str, erased_at: datetime, rows: Mapping[str, int]) -> str:
    """Return the SHA-256 of the receipt in hexadecimal.

    It is computed of the UTF-8 text of the JSON array of id, microseconds since 1970 and rows by table, without white
    space and with the tables in alphabetical order.
    """
    content = [receipt_id, to_micros(erased_at), dict(rows)]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
