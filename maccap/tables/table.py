"""Tables: cells with value, spread and the files behind them, rendered to every format by one function.

pandas is imported by the functions that need it: whoever only reads a table should not wait for it.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from ..core.artifacts import read_json, write_json, write_text
from ..core.errors import DataError, flat
from . import latex
from .anchors import cell_anchor
from .html import page

if TYPE_CHECKING:
    import pandas as pd

MINUS = "\u2212"  # as numbers are printed
MEAN, DIFFERENCE, BOUND = "mean", "difference", "bound"
BOUNDS = ("95 % low", "95 % high")  # how columns end that hold the ends of the interval of the column before them


@dataclass(frozen=True)
class Source:
    """Where a value stands.

    Attributes:
        file: a metric file, JSON Lines or JSON.
        column: in JSON Lines the column; in JSON the place as a JSON pointer (RFC 6901).
        row: in JSON Lines the values that name the row; a column of rows that is absent there is null in the file.
    """

    file: str
    column: str
    row: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """Mean and sample standard deviation over `n` seeds, and where the values stand, one source for each seed.

    Attributes:
        kind: MEAN; DIFFERENCE of pairs, the second half of the sources subtracted from the first; or BOUND, an end of
            a bootstrap interval: of the sources' mean, or of a DIFFERENCE.
        mark: a sign behind the number that a note explains.
    """

    value: float
    sd: float | None
    n: int
    sources: list[Source]
    kind: str = MEAN
    mark: str = ""

    def text(self, digits: int) -> str:
        spread = "" if self.sd is None else f" ± {self.sd:.{digits}f}"
        return f"{self.value:z.{digits}f}{spread}".replace("-", MINUS)


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

    def cells(self) -> Iterator[tuple[Row, str, Cell | str | None]]:
        """Every cell with its row and column."""
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells, strict=True):
                yield row, column, cell

    def numbers(self) -> Iterator[tuple[Row, str, Cell]]:
        """Every number with its row and column."""
        return ((row, column, cell) for row, column, cell in self.cells() if isinstance(cell, Cell))


def without_empty_columns(table: Table) -> Table:
    """The table without the columns in which there is nothing, such as a metric that cannot be computed here."""
    kept = [i for i in range(len(table.columns)) if any(row.cells[i] is not None for row in table.rows)]
    rows = [replace(row, cells=[row.cells[i] for i in kept]) for row in table.rows]
    return replace(table, columns=[table.columns[i] for i in kept], rows=rows)


def printed(table: Table, usual: Sequence[str]) -> list[str]:
    """The columns that a paper would print: the usual ones and differences; all, if there is none of the usual."""
    if not set(usual) & set(table.columns):
        return table.columns
    return [name for name in table.columns if name in usual or name.startswith("Δ")]


def with_bounds(columns: Sequence[str]) -> list[list[str]]:
    """The columns, each with those that hold the ends of its interval."""
    found: list[list[str]] = []
    for column in columns:
        if column.endswith(BOUNDS):
            found[-1].append(column)
        else:
            found.append([column])
    return found


def blocks(table: Table) -> Iterator[tuple[str, list[Row]]]:
    """Rows that follow each other with equal labels but the last, below those labels."""
    for labels, rows in groupby(table.rows, key=lambda row: row.labels[:-1]):
        yield ", ".join(filter(None, labels)), list(rows)


def cell(values: list[float], sources: list[Source], kind: str = MEAN) -> Cell:
    """The cell of one value per seed."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Cell(statistics.fmean(values), spread, len(values), sources, kind)


def pointer(*keys: str) -> str:
    """The JSON pointer (RFC 6901) of a value below these keys."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def frame(table: Table) -> pd.DataFrame:
    """The table as text; a missing value is an empty string."""
    import pandas as pd

    rows = [[*row.labels, *(_text(cell, table.digits) for cell in row.cells)] for row in table.rows]
    return pd.DataFrame(rows, columns=[*table.headers, *table.columns])


def _text(cell: Cell | str | None, digits: int) -> str:
    return cell.text(digits) + cell.mark if isinstance(cell, Cell) else cell or ""


def tidy(table: Table) -> pd.DataFrame:
    """One line per cell: labels, column, value, sd, n; and text, where the table has any."""
    import pandas as pd

    lines = [
        [*row.labels, column, *((c.value, c.sd, c.n, "") if isinstance(c, Cell) else (None, None, None, c))]
        for row, column, c in table.cells()
        if c
    ]
    long = pd.DataFrame(lines, columns=[*table.headers, "column", "value", "sd", "n", "text"])
    return long if any(long["text"]) else long.drop(columns="text")


def to_metrics(table: Table) -> dict[str, dict[str, float]]:
    """{row: {column: value}}, the form in which `dvc metrics` compares numbers."""
    metrics: dict[str, dict[str, float]] = {", ".join(row.labels): {} for row in table.rows}
    for row, column, cell in table.numbers():
        metrics[", ".join(row.labels)][column] = cell.value
    return metrics


def to_markdown(table: Table) -> str:
    escaped = frame(table).rename(columns=_in_markdown).map(_in_markdown)
    body = escaped.to_markdown(index=False, disable_numparse=True)
    notes = "".join(f"\n- {note}" for note in table.notes)
    return f"# {_in_markdown(table.title)}\n\n{body}\n{notes}\n"


def _in_markdown(text: str) -> str:
    r"""What would end a cell or a row, or be taken for Markdown or HTML, is written otherwise; a mark may end it."""
    return re.sub(r"([|`<]|\*(?!$)|_(?!\w)|(?<!\w)_|~~|\](?=[(\[:]))", r"\\\1", " ".join(text.split("\n")))


def to_latex(table: Table, name: str, usual: Sequence[str], bold: Collection[tuple[str, ...]] = ()) -> str:
    """A table for LaTeX; a comment in it names the packages that it needs.

    Args:
        name: of the table, for its label.
        usual: see `printed`.
        bold: cells in bold, each by its row's labels and its column.
    """
    columns = with_bounds(printed(table, usual))

    def data(row: Row, own: list[str]) -> str:
        cells = dict(zip(table.columns, row.cells, strict=True))
        mean, *ends = (_text(cells[column], table.digits) for column in own)
        interval = latex.escape(f" [{', '.join(ends)}]") if any(ends) else ""
        return latex.number(mean, (*row.labels, own[0]) in bold) + interval

    heads = [table.headers[-1], *(f"{own[0]} [95 %]" if own[1:] else own[0] for own in columns)]
    body = [
        (title, [[latex.escape(row.labels[-1]), *(data(row, own) for own in columns)] for row in rows])
        for title, rows in blocks(table)
    ]
    return latex.latex_table(name, table.title, table.notes, heads, body)


def to_html(table: Table, name: str, traced: bool) -> str:
    """A page of its own; traced, each number links to where it comes from on `trace.html`, one folder up."""

    def data(row: Row, column: str, cell: Cell | str | None) -> str:
        text = escape(_text(cell, table.digits))
        if not (traced and isinstance(cell, Cell)):
            return f"<td>{text}</td>"
        return f'<td><a href="../trace.html#{escape(cell_anchor(name, row.labels, column))}">{text}</a></td>'

    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in [*table.headers, *table.columns])
    body = ""
    for row in table.rows:
        labels = "".join(f'<th scope="row">{escape(label)}</th>' for label in row.labels)
        cells = "".join(data(row, column, cell) for column, cell in zip(table.columns, row.cells, strict=True))
        body += f"<tr>{labels}{cells}</tr>\n"
    notes = "".join(f"<li>{escape(note)}</li>\n" for note in table.notes)
    return page(
        table.title,
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n'
        f"<ul>\n{notes}</ul>\n" + ("<p>Each number is a link to where it comes from.</p>\n" if traced else ""),
    )


def write_table(
    table: Table,
    outputs: list[Path],
    *,
    traced: bool = True,
    usual: Sequence[str] = (),
    bold: Collection[tuple[str, ...]] = (),
) -> None:
    """Write `.json`, `.metrics.json`, `.csv`, `.md`, `.tex` and `.html`, each output by its suffix.

    Args:
        traced: see `to_html`.
        usual, bold: see `to_latex`.
    """
    for path in outputs:
        if path.name.endswith(".metrics.json"):
            write_json(path, to_metrics(table))
        elif path.suffix == ".json":
            write_json(path, asdict(table), indent=None)
        elif path.suffix == ".csv":
            write_text(path, tidy(table).to_csv(index=False, float_format="%.6g"))
        elif path.suffix == ".html":
            write_text(path, to_html(table, path.stem, traced))
        elif path.suffix == ".md":
            write_text(path, to_markdown(table))
        else:
            write_text(path, to_latex(table, path.stem, usual, bold))


def read_table(path: Path | str) -> Table:
    """The table in its JSON form.

    Raises:
        DataError: missing, damaged, or something else.
    """
    try:
        table = TypeAdapter(Table).validate_python(read_json(path))
        list(table.cells())
    except ValueError as error:
        raise DataError(f"{path}: not a table of this version ({flat(error)}); run the rule that makes it") from error
    return table
