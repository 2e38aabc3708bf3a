"""What each table of the results holds: rows, columns, and the verdict on the paper's claims."""

from collections.abc import Callable
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

REDUCED = "Reduced run, not the paper's data and models: none of these are the paper's numbers."


def vqa(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """Ways of answering by answer type; marks where one differs from the table's reference."""
    found = _by_vqa_method(files, cfg)
    columns = {"overall": None, "yes/no": "yes/no", "number": "number", "other": "other"}
    rows = [
        Row([label], [_accuracy(own, found, cfg, "answer_type", kind) for kind in columns.values()])
        for label, own in found.items()
    ]
    return Table(title, ["answers"], list(columns), rows, _vqa_notes(found, cfg))


def vqa_types(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """As `vqa`, one row for each question type."""
    found = _by_vqa_method(files, cfg)
    kinds = sorted(next(iter(found.values())).whole.question_type.dropna().unique())
    rows = [
        Row([kind], [_accuracy(own, found, cfg, "question_type", kind) for own in found.values()]) for kind in kinds
    ]
    return Table(title, ["question type"], list(found), rows, _vqa_notes(found, cfg))


def _accuracy(
    own: Results, found: dict[str, Results], cfg: dict[str, Any], column: str, kind: str | None
) -> Cell | None:
    """The accuracy over all questions or those of one kind, marked where it differs from the reference's."""
    accuracy = own.over_seeds("accuracy", **({"answer_type": None, "question_type": None} | {column: kind}))
    base = found.get(_reference(cfg) or "")
    if base is None or base is own:
        return accuracy
    pair = on_common_seeds(own.of_kind(column, kind), base.of_kind(column, kind))
    return marked(accuracy, VQA, *pair, cfg["seed"])


def _reference(cfg: dict[str, Any]) -> str | None:
    """The label of the row that the others are compared with."""
    name = cfg.get(f"tables.{cfg['table']}.reference")
    return cfg[f"vqa_methods.{name}.label"] if name else None


def _vqa_notes(found: dict[str, Results], cfg: dict[str, Any]) -> list[str]:
    reference = _reference(cfg)
    return [*([mark_note(reference)] if reference else []), *seed_notes(found, found.values())]


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
