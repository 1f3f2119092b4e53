"""Pages of a list whose newest element comes first: a token says after which element the page starts, and belongs to a
list with its filters.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from quintet.type.v1.error_pb2 import ErrorReason

from shared.db.newest_first import Place
from shared.db.types import from_micros, to_micros
from shared.errors import InvalidArgument
from shared.events.check import check_number, check_text
from shared.limits import MAX_PAGE_TOKEN


class PageRequest(Protocol):
    """A request for a page."""

    page_size: int
    page_token: str


@dataclass(frozen=True)
class NewestFirstPage:
    """`size` elements of some kinds and states, those after the start and the id of one."""

    kinds: tuple[str, ...]
    states: tuple[str, ...]
    size: int
    after: Place | None

    @classmethod
    def of(
        cls, kinds: Sequence[str], states: Sequence[str], request: PageRequest, *, usual: int, most: int
    ) -> "NewestFirstPage":
        """Return the page that is asked for; `usual` elements where the request does not say, `most` at most.

        Raises InvalidArgument for a bad size or token.
        """
        check_number(request.page_size, "page_size", 0, 2**31)
        check_text(request.page_token, "page_token", MAX_PAGE_TOKEN)
        page = cls(tuple(sorted(set(kinds))), tuple(sorted(set(states))), request.page_size or usual, None)
        return cls(page.kinds, page.states, min(page.size, most), page._after(request.page_token))

    def token_after(self, found: Sequence[Place]) -> str:
        """Return the token of the next page, where one more was `found` than the page holds; empty on the last."""
        if len(found) <= self.size:
            return ""
        started_at, name = found[self.size - 1]
        packed = json.dumps([to_micros(started_at), name, self._filters()])
        return base64.urlsafe_b64encode(packed.encode()).decode()

    def _after(self, token: str) -> Place | None:
        if not token:
            return None
        try:
            micros, name, filters = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
            started_at = from_micros(int(micros))
        except (binascii.Error, ValueError, TypeError, OverflowError) as error:
            raise _refused(token, "must be the next_page_token of the page before") from error
        if filters != self._filters():
            raise _refused(token, "belongs to a list with other filters")
        return started_at, str(name)

    def _filters(self) -> int:
        return zlib.crc32("\x00".join((*self.kinds, "", *self.states)).encode())


def _refused(token: str, problem: str) -> InvalidArgument:
    return InvalidArgument.of("page_token", token, problem, ErrorReason.PAGE_TOKEN_INVALID)
