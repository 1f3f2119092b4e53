"""Pages of the list of jobs: a token says after which job the page starts, and belongs to a list with its filters."""

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason

from shared.db.job_runs import JobRun
from shared.db.types import from_micros, to_micros
from shared.errors import InvalidArgument
from shared.events.check import check_number, check_text
from shared.limits import MAX_PAGE_TOKEN

USUAL_SIZE, MOST_SIZE = 50, 500


@dataclass(frozen=True)
class JobPage:
    """`size` jobs of some kinds and states, those after the start and the id of one."""

    kinds: tuple[str, ...]
    states: tuple[str, ...]
    size: int
    after: tuple[datetime, str] | None

    @classmethod
    def of(cls, kinds: Sequence[str], states: Sequence[str], request: pb.ListJobsRequest) -> "JobPage":
        """Return the page that is asked for. Raises InvalidArgument for a bad size or token."""
        check_number(request.page_size, "page_size", 0, 2**31)
        check_text(request.page_token, "page_token", MAX_PAGE_TOKEN)
        page = cls(tuple(sorted(set(kinds))), tuple(sorted(set(states))), request.page_size or USUAL_SIZE, None)
        return cls(page.kinds, page.states, min(page.size, MOST_SIZE), page._after(request.page_token))

    def token_after(self, found: Sequence[JobRun]) -> str:
        """Return the token of the next page, where one more was `found` than the page holds; empty on the last."""
        if len(found) <= self.size:
            return ""
        last = found[self.size - 1]
        packed = json.dumps([to_micros(last.started_at), last.job_id, self._filters()])
        return base64.urlsafe_b64encode(packed.encode()).decode()

    def _after(self, token: str) -> tuple[datetime, str] | None:
        if not token:
            return None
        try:
            micros, job_id, filters = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
            started_at = from_micros(int(micros))
        except (binascii.Error, ValueError, TypeError, OverflowError) as error:
            raise _refused(token, "must be the next_page_token of the page before") from error
        if filters != self._filters():
            raise _refused(token, "belongs to a list with other filters")
        return started_at, str(job_id)

    def _filters(self) -> int:
        return zlib.crc32("\x00".join((*self.kinds, "", *self.states)).encode())


def _refused(token: str, problem: str) -> InvalidArgument:
    return InvalidArgument.of("page_token", token, problem, ErrorReason.PAGE_TOKEN_INVALID)
