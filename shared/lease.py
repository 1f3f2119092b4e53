"""The lease on whose behalf a call or a process works: what it writes is refused once another has taken the work over.

It travels to other agents in the metadata key `x-job-lease` and to child processes in an environment variable; see
`shared/db/leases.py` for what it is.
"""

import os
from contextvars import ContextVar
from dataclasses import dataclass

LEASE_KEY = "x-job-lease"
LEASE_VARIABLE = "QUINTET_JOB_LEASE"


@dataclass(frozen=True)
class Lease:
    """The right to do the work `name`: of the holder whose `token` is the newest."""

    name: str
    token: int

    def __str__(self) -> str:
        return f"{self.name}:{self.token}"

    @classmethod
    def parse(cls, text: str) -> "Lease":
        """Return the lease that `str` made a text of. Raises ValueError for another text."""
        name, _, token = text.rpartition(":")
        return cls(name, int(token))


def _of_process() -> Lease | None:
    given = os.environ.get(LEASE_VARIABLE)
    return Lease.parse(given) if given else None


working_for: ContextVar[Lease | None] = ContextVar("working_for", default=_of_process())  # noqa: B039 - frozen
"""Every write transaction checks this lease, if there is one."""
