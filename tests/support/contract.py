"""The contract as its files say it: comments by full names, and the fields that a request may set."""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from scripts.api_reference.pages import contract_comments as comments

__all__ = ["comments", "settable_fields"]


def settable_fields(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    """Yield the fields that a request may set, at any depth; messages in `seen` are left out, and are added to it."""
    if message.full_name in seen or not message.full_name.startswith("quintet.") or message.GetOptions().map_entry:
        return
    seen.add(message.full_name)
    for field in message.fields:
        if "Output only" in comments()[field.full_name]:
            continue
        yield field
        if field.message_type is not None:
            yield from settable_fields(field.message_type, seen)
