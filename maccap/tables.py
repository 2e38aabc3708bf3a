"""Tables: cells with value, spread and the files behind them, rendered to CSV, Markdown and LaTeX by one function."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from .artifacts import write_json, write_text
from .latex import latex_table


@dataclass(frozen=True)
class Cell:
    """Mean and sample standard deviation over `n` seeds, and the metric files that hold the values."""

    value: float
    sd: float | None
    n: int
    files: list[str]

    def text(self, digits: int) -> str:
        spread = "" if self.sd is None else f" ± {self.sd:.{digits}f}"
        return f"{self.value:.{digits}f}{spread}"


@dataclass(frozen=True)
class Row:
    """Its labels, and one cell per column: numbers, plain text, or None where there is nothing."""

    labels: list[str]
    cells: Sequence[Cell | str | None]


@dataclass(frozen=True)
class Table:
    """A table as people read it; `notes` are sentences below it."""

    title: str
    headers: list[str]
    columns: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    digits: int = 1


def cell(values: list[float], files: list[str]) -> Cell:
    """The cell of one value per seed."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Cell(statistics.fmean(values), spread, len(values), files)


def frame(table: Table) -> pd.DataFrame:
    """The table as text; a missing value is an empty string."""

    def text(cell: Cell | str | None) -> str:
        return cell.text(table.digits) if isinstance(cell, Cell) else cell or ""

    rows = [[*row.labels, *map(text, row.cells)] for row in table.rows]
    return pd.DataFrame(rows, columns=[*table.headers, *table.columns])


def tidy(table: Table) -> pd.DataFrame:
    """One line per cell: labels, column, value, sd, n; and text, where the table has any."""
    lines = [
        [*row.labels, column, *((c.value, c.sd, c.n, "") if isinstance(c, Cell) else (None, None, None, c))]
        for row in table.rows
        for column, c in zip(table.columns, row.cells, strict=True)
        if c
    ]
    long = pd.DataFrame(lines, columns=[*table.headers, "column", "value", "sd", "n", "text"])
    return long if any(long["text"]) else long.drop(columns="text")


def to_metrics(table: Table) -> dict[str, dict[str, float]]:
    """{row: {column: value}}, the form in which `dvc metrics` compares numbers."""
    return {
        ", ".join(row.labels): {column: c.value for column, c in zip(table.columns, row.cells, strict=True) if c}
        for row in table.rows
    }


def to_markdown(table: Table) -> str:
    body = frame(table).to_markdown(index=False, disable_numparse=True)
    notes = "".join(f"\n- {note}" for note in table.notes)
    return f"# {table.title}\n\n{body}\n{notes}\n"


def to_latex(table: Table) -> str:
    """A table for LaTeX; a comment in it names the packages that it needs."""
    return latex_table(table.title, table.notes, frame(table), len(table.headers))


def write_table(table: Table, outputs: list[Path]) -> None:
    """Write `.json`, `.metrics.json`, `.csv`, `.md` and `.tex`, each output by its suffix."""
    for path in outputs:
        if path.name.endswith(".metrics.json"):
            write_json(path, to_metrics(table))
        elif path.suffix == ".json":
            write_json(path, asdict(table))
        elif path.suffix == ".csv":
            write_text(path, tidy(table).to_csv(index=False, float_format="%.6g"))
        else:
            write_text(path, to_markdown(table) if path.suffix == ".md" else to_latex(table))


def read_metric(path: str, *keys: str) -> float | None:
    """A number deep in a metric file, or None where the file does not have it."""
    value = json.loads(Path(path).read_text(encoding="utf-8"))
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return float(value)
