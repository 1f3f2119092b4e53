"""The two pages as they should be now."""

from functools import cache
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2

from scripts.api_reference.calls import renewed
from scripts.api_reference.index import with_index
from scripts.api_reference.tables import TYPES_PAGE, Comments
from scripts.api_reference.types import types_page
from scripts.generate_stubs import ROOT, contract
from services.coordinator.http.openapi.comments import comments_of

PAGE = ROOT / "docs" / "api.md"
TYPES = ROOT / "docs" / TYPES_PAGE
SERVICE: Any = coordinator_service_pb2.DESCRIPTOR.services_by_name["CoordinatorService"]


def fresh() -> tuple[str, str]:
    """Return the page of calls and the page of types. Raises ValueError where one cannot be made."""
    comments = contract_comments()
    return with_index(renewed(PAGE.read_text(), SERVICE, comments)), types_page(SERVICE, comments)


@cache
def contract_comments() -> Comments:
    """Return the comment of everything in the contract by its full name, each on one line."""
    return comments_of(contract())
