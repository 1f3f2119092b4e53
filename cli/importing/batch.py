"""A piece of a file: rows by column, with the line each stands on, so that a rejected row can be found again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.importing.coded_column import joined


@dataclass(frozen=True)
class Fault:
    """A row that could not even be read: why, and its text as it stands in the file."""

    reason: str
    text: str


@dataclass(frozen=True)
class RowBatch:
    """Rows in the order of the file.

    Attributes
    ----------
    lines : sequence of int
        Line of the file each row begins on, from 1; in Parquet the number of the row, from 1.
    columns : dict of str to sequence
        Values by the file's own column names, each as long as `lines`; None where the row has no value.
    faults : dict of int to Fault
        Rows, by their place in the batch, that could not be read. Their values are all None.
    """

    lines: Sequence[int]
    columns: dict[str, Sequence[Any]]
    faults: dict[int, Fault] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, index: int) -> dict[str, Any]:
        """Return one row as it stands in the file, without the columns it has no value for."""
        if index in self.faults:
            return {"text": self.faults[index].text}
        return {name: values[index] for name, values in self.columns.items() if values[index] is not None}

    def part(self, start: int, end: int) -> "RowBatch":
        """Return the rows from `start` up to but not including `end`."""
        return RowBatch(
            self.lines[start:end],
            {name: values[start:end] for name, values in self.columns.items()},
            {index - start: fault for index, fault in self.faults.items() if start <= index < end},
        )


def join(first: RowBatch, second: RowBatch) -> RowBatch:
    """Return the rows of `first` followed by those of `second`."""
    names = dict.fromkeys([*first.columns, *second.columns])
    size = len(first)
    return RowBatch(
        [*first.lines, *second.lines],
        {name: joined(_values(first, name), _values(second, name)) for name in names},
        {**first.faults, **{index + size: fault for index, fault in second.faults.items()}},
    )


def by_column(rows: Sequence[dict[str, Any]]) -> dict[str, Sequence[Any]]:
    """Turn rows into columns. An object inside a row becomes columns of its own: `{"a": {"b": 1}}` is `a.b`."""
    flat = [flattened(row) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    return {name: [row.get(name) for row in flat] for name in names}


def flattened(row: dict[str, Any]) -> dict[str, Any]:
    """Return `row` with the entries of objects inside it under dotted names."""
    if not any(isinstance(value, dict) for value in row.values()):
        return row
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat.update((f"{name}.{inner}", each) for inner, each in flattened(value).items())
        else:
            flat[name] = value
    return flat


def _values(batch: RowBatch, name: str) -> Sequence[Any]:
    column = batch.columns.get(name)
    return [None] * len(batch) if column is None else column
