"""From rows to customers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.importing.convert import Options, attributes_of, value_of
from shared import limits, values
from shared.column_mapping import is_personal
from shared.consent import PURPOSES, Consent
from shared.db.customer_updates import NewCustomer
from shared.db.types import from_micros
from shared.errors import InvalidArgument
from shared.events.check import HIDDEN, check_count, check_id, check_number, check_text

_TEXTS = {"age_group": limits.MAX_AGE_GROUP, "gender": limits.MAX_GENDER, "region": limits.MAX_REGION}


class CustomerConverter:
    """Turns rows into customers. Raises InvalidArgument for what it cannot use."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._micros = values.time_parser(options.zone)

    def convert(self, columns: Mapping[str, Sequence[Any]], index: int) -> NewCustomer:
        """Return the customer of the row at `index` of the values by our column names.

        The errors do not show personal values.
        """
        try:
            return self._converted(columns, index)
        except InvalidArgument as error:
            raise _without_personal_value(error) from None

    def _converted(self, columns: Mapping[str, Sequence[Any]], index: int) -> NewCustomer:
        customer_id = checked_text(columns, "customer_id", index, limits.MAX_ID)
        check_id(customer_id, "customer_id")
        return NewCustomer(
            external_id=customer_id,
            name=checked_text(columns, "name", index, limits.MAX_NAME),
            email=checked_text(columns, "email", index, limits.MAX_EMAIL),
            demographics=self._demographics(columns, index),
            consent=_consent(columns, index),
            registered_at=checked_time(columns, "registration_time", index, self._micros, self._options.shift_weeks),
        )

    def _demographics(self, columns: Mapping[str, Sequence[Any]], index: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        age = value_of("demographics.age", values.whole, cell(columns, "demographics.age", index))
        if age is not None:
            check_number(age, "demographics.age", 0, limits.MAX_AGE)
            found["age"] = age
        for name, longest in _TEXTS.items():
            found[name] = checked_text(columns, f"demographics.{name}", index, longest)
        attributes = attributes_of(columns, "demographics.attributes.", index)
        check_count(attributes, "demographics.attributes", limits.MAX_DEMOGRAPHIC_ATTRIBUTES)
        found["attributes"] = attributes
        return {name: value for name, value in found.items() if value not in ("", {})}


def _consent(columns: Mapping[str, Sequence[Any]], index: int) -> Consent:
    names = {purpose: f"consent.{purpose}" for purpose in PURPOSES}
    return Consent(
        **{purpose: value_of(name, values.flag, cell(columns, name, index)) for purpose, name in names.items()}
    )


def _without_personal_value(error: InvalidArgument) -> InvalidArgument:
    for fault in error.violations:
        if is_personal("customers", fault.field):
            problem, _, _ = fault.description.partition(", got ")
            return InvalidArgument.of(fault.field, HIDDEN, problem)
    return error


def cell(columns: Mapping[str, Sequence[Any]], name: str, index: int) -> Any:
    """Return the value of a column in a row; None when there is no such column."""
    column = columns.get(name)
    return None if column is None else column[index]


def checked_text(columns: Mapping[str, Sequence[Any]], name: str, index: int, longest: int) -> str:
    """Return a text of at most `longest` characters; "" for none."""
    found = value_of(name, values.text, cell(columns, name, index))
    if found:
        check_text(found, name, longest)
        if not found.isascii():
            found.encode()  # raises UnicodeError for bytes that were not UTF-8
    return found


def checked_time(
    columns: Mapping[str, Sequence[Any]], name: str, index: int, parse: Any, shift_weeks: int
) -> datetime | None:
    """Return a time after 1970 and at most 24 hours ahead, moved by `shift_weeks`; None for none."""
    value = cell(columns, name, index)
    micros = value_of(name, parse, value)
    if micros is None:
        return None
    moment = from_micros(micros) + timedelta(weeks=shift_weeks)
    if micros < 0 or moment > datetime.now(UTC) + limits.MAX_FUTURE:
        raise InvalidArgument.of(name, value, "must be after 1970 and at most 24 hours in the future")
    return moment
