"""The page: claims, tables, figures and settings put into the template."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.artifacts import sha256
from ..core.errors import DataError
from ..core.job import Job
from ..core.settings import FINDINGS, PrintedSettings, settings
from ..figures.gap_legends import LEGENDS
from ..tables.anchors import cell_anchor
from ..tables.build import REDUCED
from ..tables.table import Cell, Row, Table, blocks, printed, read_table, with_bounds
from . import about
from .inline import figure
from .template import render

CLAIM = "Claim "
OPEN = ("*", "Δ")  # notes that begin so explain what is seen, and are not folded away


def report_page(job: Job) -> str:
    """The whole page as HTML; equal inputs, config and environment give equal text.

    Inputs: `tables` (JSON), `figures` (PNG and SVG of each) and `methods` (their modules). Outputs, which link to each
    other: the page, its trace, and the numbers in LaTeX.

    Raises:
        DataError: an input is missing, damaged, or belongs to another run.
    """
    cfg, (_, trace, macros) = job.settings, job.outputs
    tables = {path.stem: read_table(path) for path in tables_in_order(job)}
    findings = {name for name in tables if _finding(cfg, name)}
    usual = settings(PrintedSettings, cfg, "printed").columns
    shown = {name: _table(name, tables[name], number, usual) for number, name in enumerate(tables, start=1)}
    return render(
        "page.html.j2",
        extended=cfg["extended"],
        trace_page=trace.name,
        macros=macros.name,
        cfg=cfg,
        about=about,
        seeds=job.seeds,
        fewer_seeds=any(key.endswith(".repeats") for key in cfg),
        methods=about.method_texts(job.inputs["methods"]),
        labels={name: cfg[f"datasets.{name}.label"] for name in about.names(cfg, "datasets")},
        results={name: table for name, table in shown.items() if name not in findings},
        findings={name: table for name, table in shown.items() if name in findings},
        figures={name: figure(files) for name, files in _figures(job.inputs["figures"]).items()},
        legends=LEGENDS,
        environment=about.environment(path for paths in job.inputs.values() for path in paths),
        missing=about.not_run(cfg, tables),
        digests=[[path.stem, sha256(path)] for path in job.inputs["tables"]],
    )


def tables_in_order(job: Job) -> list[Path]:
    """The files of the report's tables: results, then findings."""
    return sorted(job.inputs["tables"], key=lambda path: _finding(job.settings, path.stem))


def _finding(cfg: dict[str, Any], table: str) -> bool:
    return cfg.get(f"tables.{table}.kind") in FINDINGS


def _figures(files: Sequence[Path]) -> dict[str, list[Path]]:
    by_name: dict[str, list[Path]] = {}
    for path in files:
        by_name.setdefault(path.stem, []).append(path)
    return by_name


def _table(name: str, table: Table, number: int, usual: Sequence[str]) -> dict[str, Any]:
    """A table as the template wants it: rows in blocks of equal labels but the last, differences in the first column,
    the ends of an interval in one column with what they are the interval of.

    Raises:
        DataError: two numbers have one anchor.
    """
    anchors = [cell_anchor(name, row.labels, column) for row, column, _ in table.numbers()]
    if twice := [anchor for anchor, count in Counter(anchors).items() if count > 1]:
        raise DataError(f"table {name}: two numbers share the place {twice[0]}; give their rows other labels")
    columns, first = with_bounds(table.columns), set(printed(table, usual))
    columns.sort(key=lambda own: not own[0].startswith("Δ"))
    notes = [note for note in table.notes if note != REDUCED]
    return {
        "title": table.title,
        "number": number,
        "header": table.headers[-1],
        "columns": [{"name": own[0], "interval": own[1:], "first": own[0] in first} for own in columns],
        "blocks": [
            (title, [(row.labels[-1], _cells(name, table, row, columns)) for row in rows])
            for title, rows in blocks(table)
        ],
        "claims": [note.removeprefix(CLAIM) for note in notes if note.startswith(CLAIM)],
        "notes": [note for note in notes if note.startswith(OPEN)],
        "more_notes": [note for note in notes if not note.startswith((CLAIM, *OPEN))],
    }


def _cells(name: str, table: Table, row: Row, columns: list[list[str]]) -> list[list[dict[str, str]]]:
    cells = dict(zip(table.columns, row.cells, strict=True))
    return [
        [_cell(cells[column], cell_anchor(name, row.labels, column), table.digits) for column in own if cells[column]]
        for own in columns
    ]


def _cell(cell: Cell | str | None, anchor: str, digits: int) -> dict[str, str]:
    """`mean`, `spread`, `mark` and `anchor` of a number; a text has only its `mean`."""
    if not isinstance(cell, Cell):
        return {"mean": cell or "", "spread": "", "mark": "", "anchor": ""}
    mean, _, spread = cell.text(digits).partition(" ± ")
    return {"mean": mean, "spread": spread, "mark": cell.mark, "anchor": anchor}
