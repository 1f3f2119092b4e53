"""What the commands about placements and rules do alike: see what differs from what is stored, store it, print."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from cli.definition_files import id_of
from cli.output import out, print_json

OUTPUT_ONLY = ("built_in", "update_time")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Plan(Generic[M]):
    """What makes the stored definitions as a file says; `unchanged` counts those that are so already."""

    created: list[M]
    updated: list[M]
    unchanged: int

    @classmethod
    def of(cls, given: Sequence[M], stored: Sequence[M]) -> "Plan[M]":
        """Return the plan; definitions that the file does not name stay as they are."""
        known = {id_of(each): bare(each) for each in stored}
        new = [each for each in given if id_of(each) not in known]
        changed = [each for each in given if id_of(each) in known and bare(each) != known[id_of(each)]]
        return cls(new, changed, len(given) - len(new) - len(changed))

    def carry_out(self, create: Callable[[M], object], update: Callable[[M], object]) -> None:
        """Store what differs."""
        for each in self.created:
            create(each)
        for each in self.updated:
            update(each)

    def print(self, *, dry_run: bool, as_json: bool) -> None:
        """Say how many definitions are created, updated and as they were, and which when nothing is stored."""
        counts = {"created": len(self.created), "updated": len(self.updated), "unchanged": self.unchanged}
        if as_json:
            print_json({**counts, "dry_run": dry_run})
            return
        if dry_run:
            for what, some in (("create", self.created), ("update", self.updated)):
                for each in some:
                    out.print(f"would {what} {id_of(each)}", highlight=False, markup=False)
        out.print(", ".join(f"{count} {what}" for what, count in counts.items()))


def bare(message: M) -> M:
    """Return a definition without what is output only."""
    copy = type(message)()
    copy.CopyFrom(message)
    for name in OUTPUT_ONLY:
        if name in copy.DESCRIPTOR.fields_by_name:
            copy.ClearField(name)
    return copy


def read_pages(read: Callable[[str], Any]) -> Iterator[Any]:
    """Yield the answers to a request that is answered page by page; `read` takes the token of a page."""
    token = ""
    while True:
        page = read(token)
        yield page
        token = page.next_page_token
        if not token:
            return


def print_messages(name: str, messages: Sequence[Message]) -> None:
    """Print messages as one JSON object with a list under `name`."""
    print_json({name: [MessageToDict(each, preserving_proto_field_name=True) for each in messages]})


def print_exported(count: int, *, as_json: bool) -> None:
    """Say how many definitions were written to a file."""
    if as_json:
        print_json({"exported": count})
    else:
        out.print(f"{count} exported")


def print_deleted(name: str, *, as_json: bool) -> None:
    """Say that a definition is deleted."""
    if as_json:
        print_json({"deleted": name})
    else:
        out.print(f"deleted {name}")
