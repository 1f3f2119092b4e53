"""Whether a call may begin: who calls, what they may call, how much; decided before its request is read."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from google.protobuf.message import Message
from quintet.type.v1.error_pb2 import ErrorReason

from shared.api_keys import ANYBODY, Caller, Role
from shared.errors import PermissionDenied
from shared.rpc.admission import Admission
from shared.rpc.authentication import Anybody, Authenticator, Metadata
from shared.rpc.rate_limit import RateLimiter
from shared.rpc.rights import Right, right_of
from shared.rpc.threads import work

caller: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)
"""Who makes the call that is being answered."""

CLOSED_TO_BROWSERS = ("purchase", "refund")
"""Events that a browser key may not record: money is the backend's to tell."""


class Guard:
    """Admits calls of one server. The same for gRPC and HTTP. `rate_factor` may change while it does."""

    def __init__(
        self, authenticator: Authenticator | None = None, admission: Admission | None = None, rate_factor: float = 1.0
    ) -> None:
        self._authenticator = authenticator or Anybody()
        self.admission = admission or Admission("")
        self.rate_factor = rate_factor
        self._rates = RateLimiter()

    async def admit(self, method: str, metadata: Metadata) -> Callable[[], None]:
        """Admit a call of `method`, such as `/quintet….CoordinatorService/GetProduct`, and return what ends it.

        Sets `caller`, and `work` for the threads. Raises Unauthenticated, PermissionDenied, RateLimited, or Overloaded.
        """
        right = right_of(method)
        who = await self._authenticator.authenticate(metadata)
        _require_right(who, right, method)
        if who.key_id and self.rate_factor:
            rate = right.work.limits.calls_per_second * who.rate_factor * self.rate_factor
            self._rates.take(who.key_id, method, rate)
        self.admission.enter(who.key_id, method, right.work)
        caller.set(who)
        work.set(right.work)
        return lambda: self.admission.leave(who.key_id, method)


def check_request(method: str, request: Message) -> None:
    """Refuse to a browser key what is not about its own visitor, or would tell costs. Raises PermissionDenied."""
    path = right_of(method).browser
    if not caller.get().browser or path is None:
        return
    subject: Any = getattr(request, path) if path else request
    if getattr(subject, "customer_id", ""):
        raise _closed_to_browsers("an API key for browsers names visitors, no customers", method)
    if "detail" in subject.DESCRIPTOR.oneofs_by_name and subject.WhichOneof("detail") in CLOSED_TO_BROWSERS:
        raise _closed_to_browsers(f"an API key for browsers records no {subject.WhichOneof('detail')}", method)
    if any(_boosts_by_margin(each) for each in (subject, *getattr(subject, "requests", ()))):
        raise _closed_to_browsers("an API key for browsers boosts by no margin, as the order would tell costs", method)


def _boosts_by_margin(asked: Any) -> bool:
    """Say whether a request, or the part of one that is about a list, boosts by margin itself."""
    return "boosts" in asked.DESCRIPTOR.fields_by_name and asked.boosts.margin != 0


def _require_right(who: Caller, right: Right, method: str) -> None:
    if who is ANYBODY:
        return
    if who.role not in right.roles:
        names = ", ".join(sorted(role.value for role in Role if role in right.roles)) or "agents alone"
        said = f"{method} is for {names}; this API key is for {who.role.value}"
        raise PermissionDenied(said, metadata={"method": method, "role": who.role.value})
    if who.browser and right.browser is None:
        raise _closed_to_browsers(f"{method} is closed to API keys for browsers", method)


def _closed_to_browsers(message: str, method: str) -> PermissionDenied:
    return PermissionDenied(message, reason=ErrorReason.BROWSER_NOT_ALLOWED, metadata={"method": method})
