"""What each table of the results holds: rows, columns, and the verdict on the paper's claims."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.settings import labels, section
from ..metrics.bootstrap import VQA
from ..metrics.registry import metrics
from . import gap
from .captions import captions, comparison, mark_note, marked, sweep
from .instruments import instruments
from .results import Results, on_common_seeds, read_results, seed_notes
from .table import Cell, Row, Table, blocks, without_empty_columns

Accuracies = dict[tuple[str, str | None], Cell | None]  # by the label of a way of answering, and the kind of question

REDUCED = "Reduced run, not the paper's data and models: none of these are the paper's numbers."


def vqa(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """Ways of answering by answer type; marks where one differs from the table's reference."""
    found = _by_vqa_method(files, cfg)
    columns = {"overall": None, "yes/no": "yes/no", "number": "number", "other": "other"}
    cells = _accuracies(found, cfg, "answer_type", columns.values())
    rows = [Row([label], [cells[label, kind] for kind in columns.values()]) for label in found]
    return Table(title, ["answers"], list(columns), rows, _vqa_notes(found, cells, cfg))


def vqa_types(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """As `vqa`, one row for each question type."""
    found = _by_vqa_method(files, cfg)
    kinds = sorted(next(iter(found.values())).whole.question_type.dropna().unique())
    cells = _accuracies(found, cfg, "question_type", kinds)
    rows = [Row([kind], [cells[label, kind] for label in found]) for kind in kinds]
    return Table(title, ["question type"], list(found), rows, _vqa_notes(found, cells, cfg))


def _accuracies(found: dict[str, Results], cfg: dict[str, Any], column: str, kinds: Iterable[str | None]) -> Accuracies:
    """The accuracy over the questions of each kind, None for all, marked where it differs from the reference's."""
    base, cells = found.get(_reference(cfg) or ""), {}
    for kind in kinds:
        for label, own in found.items():
            cell = own.over_seeds("accuracy", **({"answer_type": None, "question_type": None} | {column: kind}))
            if base is not None and base is not own:
                pair = on_common_seeds(own.of_kind(column, kind), base.of_kind(column, kind))
                cell = marked(cell, VQA, *pair, cfg["seed"])
            cells[label, kind] = cell
    return cells


def _reference(cfg: dict[str, Any]) -> str | None:
    """The label of the row that the others are compared with."""
    name = cfg.get(f"tables.{cfg['table']}.reference")
    return cfg[f"vqa_methods.{name}.label"] if name else None


def _vqa_notes(found: dict[str, Results], cells: Accuracies, cfg: dict[str, Any]) -> list[str]:
    reference, notes = _reference(cfg), seed_notes(found, found.values())
    if not reference:
        return notes
    base = {kind: cell.value for (label, kind), cell in cells.items() if cell and label == reference}
    marks = ((label, kind, cell) for (label, kind), cell in cells.items() if cell and cell.mark)
    worse = [f"{label} ({kind or 'overall'})" for label, kind, cell in marks if cell.value < base[kind]]
    return [mark_note(reference), *([f"Worse than {reference}: {'; '.join(worse)}."] if worse else []), *notes]


def _by_vqa_method(files: list[Path], cfg: dict[str, Any]) -> dict[str, Results]:
    """{label: results}, in the order of the table's rows."""
    names = labels(cfg, "vqa_methods")
    found = read_results(files, cfg["cells"], "vqa_method")
    return {names[results.about["vqa_method"]]: results for results in found}


KINDS: dict[str, Callable[[list[Path], dict[str, Any], str], Table]] = {
    "captions": captions, "comparison": comparison, "sweep": sweep, "vqa": vqa, "vqa_types": vqa_types,
    "instruments": instruments, **gap.BUILDERS,
}  # fmt: skip


def build(name: str, files: list[Path], cfg: dict[str, Any]) -> Table:
    """The named table from its metric files, which come in the order of its rows."""
    about = section(cfg, f"tables.{name}")
    table = KINDS[about["kind"]](files, cfg | {"table": name}, f"{about['title']} ({cfg['profile']} profile)")
    table = without_empty_columns(table)
    return replace(table, notes=[REDUCED, *table.notes]) if cfg["reduced"] else table


def best(table: Table, cfg: dict[str, Any]) -> set[tuple[str, ...]]:
    """The best of each metric among the trained methods of each block of rows, by the row's labels and the column."""
    names = [key.split(".")[1] for key in cfg if key.startswith("experiments.") and key.endswith(".run")]
    trained = {cfg[f"experiments.{name}.label"] for name in names if f"experiments.{name}.given" not in cfg}
    found = set()
    for _, rows in blocks(table):
        for metric in metrics():
            for column in set(metric.names) & set(table.columns):
                place = table.columns.index(column)
                cells = {
                    tuple(row.labels): cell.value
                    for row in rows
                    if row.labels[-1] in trained and isinstance(cell := row.cells[place], Cell)
                }
                top = (max if metric.higher_is_better else min)(cells.values(), default=None)
                found |= {(*labels, column) for labels, value in cells.items() if value == top}
    return found
