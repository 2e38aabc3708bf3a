"""What each table of the results holds: rows, columns, and the verdict on the paper's claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.settings import labels, section
from . import gap
from .captions import captions, comparison, sweep
from .instruments import instruments
from .results import Results, read_results, seed_notes
from .table import Row, Table, without_empty_columns

REDUCED = "Reduced run, not the paper's data and models: none of these are the paper's numbers."


def vqa(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    vqa_methods = _by_vqa_method(files, cfg)
    columns = {"overall": None, "yes/no": "yes/no", "number": "number", "other": "other"}
    rows = [
        Row([label], [own.over_seeds("accuracy", answer_type=kind, question_type=None) for kind in columns.values()])
        for label, own in vqa_methods.items()
    ]
    return Table(title, ["answers"], list(columns), rows, seed_notes(vqa_methods, vqa_methods.values()))


def vqa_types(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    vqa_methods = _by_vqa_method(files, cfg)
    kinds = sorted(next(iter(vqa_methods.values())).whole.question_type.dropna().unique())
    rows = [
        Row([kind], [own.over_seeds("accuracy", answer_type=None, question_type=kind) for own in vqa_methods.values()])
        for kind in kinds
    ]
    return Table(title, ["question type"], list(vqa_methods), rows, seed_notes(vqa_methods, vqa_methods.values()))


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
