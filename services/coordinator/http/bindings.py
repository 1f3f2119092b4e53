"""The HTTP bindings of the contract: which verb and path calls which RPC, by the `google.api.http` annotations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf import message_factory

from services.coordinator.http.path_template import PathTemplate

WHOLE = "*"


@dataclass(frozen=True)
class Binding:
    """One way to call one RPC.

    Parameters
    ----------
    method : google.protobuf.descriptor.MethodDescriptor
        The RPC.
    verb : str
        The HTTP method, in capitals.
    path : PathTemplate
        The path.
    body : str
        Field that the body of the request is, `*` for the whole request, empty for none.
    response_body : str
        Field that the body of the answer is; empty for the whole answer.
    """

    method: Any
    verb: str
    path: PathTemplate
    body: str
    response_body: str

    @property
    def rpc(self) -> str:
        """Path of the RPC, such as `/quintet.coordinator.v1.CoordinatorService/GetJob`."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def request_type(self) -> Any:
        """Class of the request."""
        return message_factory.GetMessageClass(self.method.input_type)

    @property
    def response_type(self) -> Any:
        """Class of the answer."""
        return message_factory.GetMessageClass(self.method.output_type)


def bindings_of(service: Any) -> list[Binding]:
    """Return all bindings of a service descriptor. Raises ValueError for an RPC without an annotation."""
    return [binding for method in service.methods for binding in _bindings_of(method)]


def _bindings_of(method: Any) -> Iterator[Binding]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    if not rule.WhichOneof("pattern"):
        raise ValueError(f"{method.full_name} has no google.api.http annotation")
    for each in (rule, *rule.additional_bindings):
        yield _binding(method, each)


def _binding(method: Any, rule: http_pb2.HttpRule) -> Binding:
    verb = rule.WhichOneof("pattern")
    path = PathTemplate.parse(getattr(rule, verb))
    for name in path.variables:
        _require_text_field(method.input_type, name)
    for name, owner in ((rule.body, method.input_type), (rule.response_body, method.output_type)):
        if name and name != WHOLE and name not in owner.fields_by_name:
            raise ValueError(f"{method.full_name}: {owner.name} has no field {name!r}")
    return Binding(method, verb.upper(), path, rule.body, rule.response_body)


def _require_text_field(message: Any, path: str) -> None:
    """Raise ValueError unless a path of names leads to a text."""
    *parents, last = path.split(".")
    for name in parents:
        message = message.fields_by_name[name].message_type
    if message.fields_by_name[last].type != message.fields_by_name[last].TYPE_STRING:
        raise ValueError(f"path variable {path!r} of {message.full_name} is not a text")
