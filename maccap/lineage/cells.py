"""One number of a table: found by its labels, and taken back to the values in the metric files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from ..core.errors import DataError
from ..tables.anchors import slug
from ..tables.table import BOUND, DIFFERENCE, Cell, Row, Table, cell

FORMATS = (".json", ".metrics.json", ".csv", ".md", ".tex", ".html")


@dataclass(frozen=True)
class Number:
    """A number of a table, and what the metric files say now.

    Attributes:
        values: what stands at the cell's pointer in each of the cell's files.
        again: the cell made anew from these values; None for the end of a bootstrap interval.
    """

    table: str
    row: Row
    column: str
    cell: Cell
    printed: str
    values: list[float]
    again: Cell | None

    @property
    def agrees(self) -> bool:
        return self.again is None or self.again == self.cell


def table_file(file: Path) -> Path:
    """The JSON form of a table that any of its forms stands for; any other file is itself."""
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if file.name.endswith(suffix) and file.parent.name == "tables":
            return file.with_name(file.name.removesuffix(suffix) + ".json")
    return file


def number(
    path: str, table: Table, row: Row, column: str, cell: Cell, read: Callable[[str], Any] = read_json
) -> Number:
    """A cell with its values; `read` reads a metric file.

    Raises:
        DataError: a metric file is missing or damaged, or lacks the value.
    """
    values = [float(resolve(read(file), cell.pointer, file)) for file in cell.files]
    return Number(path, row, column, cell, cell.text(table.digits), values, _again(cell, values))


def _again(old: Cell, values: list[float]) -> Cell | None:
    if old.kind == BOUND:
        return None
    if old.kind == DIFFERENCE:
        half = len(values) // 2
        values = [a - b for a, b in zip(values[:half], values[half:], strict=True)]
    return replace(cell(values, old.files, old.pointer, old.kind), mark=old.mark)


def resolve(value: Any, pointer: str, file: str) -> Any:
    """What a JSON pointer (RFC 6901) finds.

    Raises:
        DataError: nothing is there.
    """
    for key in [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]:
        try:
            value = value[int(key) if isinstance(value, list) else key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise DataError(f"{file}: nothing at {pointer}; run the rule that makes it") from error
    return value


def find(path: str, table: Table, labels: Sequence[str], column: str) -> tuple[Row, str, Cell]:
    """The cell in a column and in the only row that has all these labels; each may join several, as in "COCO MacCap".

    Raises:
        DataError: no such row or column, several rows, or no number there.
    """
    rows = [row for row in table.rows if {slug(label) for label in labels} <= _names(row)]
    if len(rows) != 1:
        fault = "no row" if not rows else f"{len(rows)} rows"
        choices = "\n  ".join(_shown(row) for row in rows or table.rows)
        raise DataError(f"{path}: {fault} named {' '.join(labels)!r}; choose one of\n  {choices}")
    columns = [name for name in table.columns if slug(name) == slug(column)]
    if not columns:
        raise DataError(f"{path}: no column {column!r}; choose one of {', '.join(table.columns)}")
    content = rows[0].cells[table.columns.index(columns[0])]
    if not isinstance(content, Cell):
        raise DataError(f"{path}: {_shown(rows[0])}, {columns[0]}: {content or 'empty'}, not a number")
    return rows[0], columns[0], content


def _names(row: Row) -> set[str]:
    """Every label of a row, and every run of neighbouring ones."""
    names = [slug(label) for label in row.labels if slug(label)]
    return {"-".join(names[i:j]) for i in range(len(names)) for j in range(i + 1, len(names) + 1)}


def _shown(row: Row) -> str:
    return " ".join(repr(label) for label in row.labels if label)
