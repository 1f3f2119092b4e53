"""Placements and rules as they are stored: create, change, list and delete them by their ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import Placement as PlacementMessage
from quintet.type.v1.placement_pb2 import Rule as RuleMessage

from services.recommendation.serving.page_policy import PAGE_POLICIES
from shared import field_masks
from shared.db.engine import Connection, Database
from shared.db.placements import PLACEMENTS, RULES, DefinitionTable, Stored
from shared.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from shared.events.check import check_number
from shared.field_masks import Change
from shared.limits import DEFAULT_PAGE_SIZE, MAX_DEFINITIONS, MAX_PAGE_SIZE
from shared.merchandising.convert import to_placement, to_rule
from shared.merchandising.names import check_name
from shared.merchandising.placement import BUILT_IN
from shared.timestamps import to_timestamp

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Definitions(Generic[M]):
    """Definitions of one kind.

    Parameters
    ----------
    database : Database
    kind : str
        Name of the kind, which is that of its field in requests; the id is in the field `<kind>_id`.
    table : DefinitionTable
    message : type
        Message of the contract.
    check : callable
        Raises InvalidArgument for a bad definition; takes the message and the path of its field.
    built_in : mapping of str to message
        Those that are there without being stored, by id.
    """

    database: Database
    kind: str
    table: DefinitionTable
    message: type[M]
    check: Callable[[M, str], object]
    built_in: Mapping[str, M] = field(default_factory=dict)

    def create(self, new: M) -> M:
        """Store a new definition and return it; one that is stored just so already is returned as it is.

        Raises InvalidArgument, AlreadyExists for the id of another, FailedPrecondition when there are too many.
        """
        self.check(new, self.kind)
        name = self._id_of(new)
        with self.database.write() as connection:
            self.table.lock(connection)
            known = self.table.get(connection, name)
            if known is not None and self.message.FromString(known.definition) == self._kept(new):
                return self.message_of(known)
            if name in self.built_in or known is not None:
                raise AlreadyExists.of(self.kind, name, f"{self.kind}.{self._id_field}")
            if self.table.count(connection) >= MAX_DEFINITIONS:
                raise FailedPrecondition(f"there are {MAX_DEFINITIONS} already: delete a {self.kind} first")
            return self._put(connection, new)

    def update(self, changed: M, mask: FieldMask | None = None) -> M:
        """Change a definition and return it as it is now; without a mask all of it is replaced.

        Raises InvalidArgument, NotFound.
        """
        name = self._id_of(changed)
        check_name(name, f"{self.kind}.{self._id_field}")
        with self.database.write() as connection:
            self.table.lock(connection)
            now = self.stored(connection, name, f"{self.kind}.{self._id_field}")
            merged = field_masks.changed(now, self._change(changed, mask))
            self.check(merged, self.kind)
            return self._put(connection, merged)

    def get(self, name: str) -> M:
        """Return a definition. Raises InvalidArgument, NotFound."""
        check_name(name, self._id_field)
        with self.database.read() as connection:
            return self.stored(connection, name, self._id_field)

    def list(self, page_size: int, page_token: str) -> tuple[list[M], str]:
        """Return a page of definitions by id, and the token of the next one. Raises InvalidArgument."""
        check_number(page_size, "page_size", 0, float("inf"))
        if page_token:
            _check_token(page_token)
        size = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        with self.database.read() as connection:
            stored = {each.id: self.message_of(each) for each in self.table.list(connection)}
        every = {**self.built_in, **stored}
        names = [name for name in sorted(every) if name > page_token]
        return [every[name] for name in names[:size]], names[size - 1] if len(names) > size else ""

    def delete(self, name: str, *, allow_missing: bool = False) -> bool:
        """Delete a definition and say whether it was stored; a built-in one is again what it was.

        Raises InvalidArgument, and NotFound if it was not stored, unless `allow_missing`.
        """
        check_name(name, self._id_field)
        with self.database.write() as connection:
            deleted = self.table.delete(connection, name)
            if not deleted and not allow_missing:
                raise NotFound.of(f"stored {self.kind}", name, self._id_field)
        return deleted

    def stored(self, connection: Connection, name: str, field_name: str) -> M:
        """Return a definition in a transaction. Raises NotFound, which names the field that the id came in."""
        found = self.table.get(connection, name)
        if found is not None:
            return self.message_of(found)
        if name not in self.built_in:
            raise NotFound.of(self.kind, name, field_name)
        return self.built_in[name]

    def message_of(self, stored: Stored) -> M:
        """Return a stored definition as a message, with the time of its last change."""
        message: Any = self.message.FromString(stored.definition)
        message.update_time.CopyFrom(to_timestamp(stored.updated_at))
        return message  # type: ignore[no-any-return]

    def _kept(self, definition: M) -> M:
        """Return what is stored of a definition."""
        kept = self.message()
        kept.CopyFrom(definition)
        for name in _OUTPUT_ONLY.intersection(kept.DESCRIPTOR.fields_by_name):
            kept.ClearField(name)
        return kept

    def _put(self, connection: Connection, definition: M) -> M:
        kept = self._kept(definition)
        stored = Stored(self._id_of(kept), kept.SerializeToString(), datetime.now(UTC))
        self.table.put(connection, stored)
        return self.message_of(stored)

    def _change(self, changed: M, mask: FieldMask | None) -> Change[M]:
        """Return what an update changes; without a mask all. Raises InvalidArgument for a bad path."""
        named = mask if mask is not None and mask.paths else FieldMask(paths=[field_masks.EVERYTHING])
        fixed = {self._id_field, *_OUTPUT_ONLY.intersection(changed.DESCRIPTOR.fields_by_name)}
        return field_masks.change_of(changed, named, fixed)

    def _id_of(self, message: M) -> str:
        return str(getattr(message, self._id_field))

    @property
    def _id_field(self) -> str:
        return f"{self.kind}_id"


_OUTPUT_ONLY = frozenset({"built_in", "update_time"})


def placements_in(database: Database) -> Definitions[PlacementMessage]:
    """Return the placements of a database."""
    built_in = {name: _built_in(name) for name in BUILT_IN}
    return Definitions(database, "placement", PLACEMENTS, PlacementMessage, to_placement, built_in)


def rules_in(database: Database) -> Definitions[RuleMessage]:
    """Return the rules of a database."""
    return Definitions(database, "rule", RULES, RuleMessage, to_rule)


def _check_token(token: str) -> None:
    """Raise InvalidArgument for what is no id: the token of a page is the last id of the page before."""
    try:
        check_name(token, "page_token")
    except InvalidArgument as error:
        problem = "must be the next_page_token of the page before"
        raise InvalidArgument.of("page_token", token, problem, ErrorReason.PAGE_TOKEN_INVALID) from error


def _built_in(name: str) -> PlacementMessage:
    """Return a built-in placement with what its page does when nobody says otherwise."""
    placement = BUILT_IN[name]
    return PlacementMessage(
        placement_id=name,
        page_type=PageType.Value(f"PAGE_TYPE_{placement.page}"),
        count=placement.count,
        diversity=round(1.0 - PAGE_POLICIES[placement.page].trade_off, 6),
        built_in=True,
    )
