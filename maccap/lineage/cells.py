"""One number of a table: found by its labels, and read again from the metric files that it comes from."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json, reading
from ..core.errors import DataError
from ..tables.anchors import slug
from ..tables.table import BOUND, DIFFERENCE, Cell, Row, Source, Table, cell


@dataclass(frozen=True)
class Number:
    """A number of a table, and what the metric files say now.

    Attributes:
        table: path of the table's JSON form.
        values: what stands at each of the cell's sources.
    """

    table: str
    row: Row
    column: str
    cell: Cell
    printed: str
    values: list[float]

    @cached_property
    def again(self) -> Cell | None:
        """The cell made again from the values; None for the end of a bootstrap interval."""
        old, values = self.cell, self.values
        if old.kind == BOUND:
            return None
        if old.kind == DIFFERENCE:
            half = len(values) // 2
            values = [a - b for a, b in zip(values[:half], values[half:], strict=True)]
        return replace(cell(values, old.sources, old.kind), mark=old.mark)

    @property
    def agrees(self) -> bool:
        return self.again in (None, self.cell)


class MetricFiles:
    """The metric files below a project's folder; each is read once, without pandas, which takes long to import."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._contents: dict[str, Any] = {}
        self._rows: dict[tuple[str, tuple[str, ...]], dict[tuple[Any, ...], list[dict[str, Any]]]] = {}

    def number(self, path: str, table: Table, row: Row, column: str, cell: Cell) -> Number:
        """A cell with its values.

        Raises:
            DataError: a metric file is missing or damaged, or lacks a value.
        """
        try:
            values = [float(self.value_at(source)) for source in cell.sources]
        except (ValueError, TypeError) as error:
            raise DataError(f"{cell.sources[0].file}: {column}: {error}; run the rule that makes it") from error
        return Number(path, row, column, cell, cell.text(table.digits), values)

    def numbers(self, path: str, table: Table) -> Iterator[Number]:
        """Every number of a table; raises like `number`."""
        return (self.number(path, table, *place) for place in table.numbers())

    def value_at(self, source: Source) -> Any:
        """What stands at a source: in JSON Lines a row's column, in JSON the value at the pointer.

        Raises:
            DataError: the file is missing or damaged, or has no such value, or several.
        """
        content = self._content(source.file)
        if not source.file.endswith(".jsonl"):
            return resolve(content, source.column, source.file)
        named = source.row
        key = (source.file, tuple(named))
        if key not in self._rows:
            index = self._rows.setdefault(key, {})
            for row in content:
                index.setdefault(tuple(row.get(name) for name in named), []).append(row)
        found = self._rows[key].get(tuple(named.values()), [])
        if len(found) != 1 or found[0].get(source.column) is None:
            place = ", ".join(f"{name} {value}" for name, value in source.row.items())
            fault = f"{len(found)} rows" if len(found) != 1 else f"no {source.column} in the row"
            raise DataError(f"{source.file}: {fault} with {place}; run the rule that makes it")
        return found[0][source.column]

    def _content(self, file: str) -> Any:
        if file not in self._contents:
            path = self.root / file
            if file.endswith(".jsonl"):
                with reading(path, "not valid JSON Lines", "run the rule that makes it"):
                    lines = path.read_text(encoding="utf-8").splitlines()
                    self._contents[file] = [dict(json.loads(line)) for line in lines]
            else:
                self._contents[file] = read_json(path)
        return self._contents[file]


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
    """The cell in a column and in the only row that has all these labels; each may join several, as in "Chalk MacCap".

    Raises:
        DataError: no such row or column, several rows, or no number there.
    """
    rows = [row for row in table.rows if {slug(label) for label in labels} <= _names(row)]
    if len(rows) != 1:
        fault = "no row" if not rows else f"{len(rows)} rows"
        choices = "\n  ".join(" ".join(map(repr, filter(None, row.labels))) for row in rows or table.rows)
        raise DataError(f"{path}: {fault} named {' '.join(labels)!r}; choose one of\n  {choices}")
    columns = [name for name in table.columns if slug(name) == slug(column)]
    if not columns:
        raise DataError(f"{path}: no column {column!r}; choose one of {', '.join(table.columns)}")
    content = rows[0].cells[table.columns.index(columns[0])]
    if not isinstance(content, Cell):
        raise DataError(f"{path}: {' '.join(labels)}, {columns[0]}: {content or 'empty'}, not a number")
    return rows[0], columns[0], content


def _names(row: Row) -> set[str]:
    """Every label of a row, and every run of neighbouring ones."""
    names = [slug(label) for label in row.labels if slug(label)]
    return {"-".join(names[i:j]) for i in range(len(names)) for j in range(i + 1, len(names) + 1)}
