"""Ids that callers give to their requests, so that a repeated request is done once."""

import hashlib
from dataclasses import dataclass

from google.protobuf.message import Message
from quintet.type.v1.request_pb2 import RequestKey as RequestKeyMessage

from shared.events.check import check_text
from shared.limits import MAX_REQUEST_ID

FIELD = "request_id"


@dataclass(frozen=True)
class RequestKey:
    """Names a request: the caller's id, and the SHA-256 digest of what is asked for, the id left out."""

    request_id: str
    digest: bytes

    def to_message(self) -> RequestKeyMessage:
        """Return the key as agents pass it on."""
        return RequestKeyMessage(request_id=self.request_id, digest=self.digest)

    @classmethod
    def of_message(cls, message: RequestKeyMessage) -> "RequestKey | None":
        """Return a key that was passed on; None where there is none."""
        return cls(message.request_id, message.digest) if message.request_id else None


def key_of(request: Message) -> RequestKey | None:
    """Return the key of a request that has a field `request_id`; None where it is empty. Raises InvalidArgument."""
    request_id: str = getattr(request, FIELD)
    if not check_request_id(request_id):
        return None
    asked = type(request)()
    asked.CopyFrom(request)
    asked.ClearField(FIELD)
    method = request.DESCRIPTOR.full_name.encode()
    return RequestKey(request_id, hashlib.sha256(method + b"\0" + asked.SerializeToString(deterministic=True)).digest())


def check_request_id(request_id: str) -> bool:
    """Return whether a request has an id. Raises InvalidArgument for one that is blank or too long."""
    if request_id:
        check_text(request_id, FIELD, MAX_REQUEST_ID, required=True)
    return bool(request_id)


def id_from(request_id: str, index: int = 0) -> str:
    """Return the id of the element at a place of a request: the same whenever the request is repeated."""
    return hashlib.sha256(f"{request_id}\0{index}".encode()).hexdigest()[:32]
