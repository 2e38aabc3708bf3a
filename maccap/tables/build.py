"""What each table of the results holds: rows, columns, and the verdict on the paper's claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.settings import labels, section
from . import gap
from .captions import Reports, captions, comparison, over_seeds, read_groups, sweep
from .table import Row, Table

REDUCED = "Reduced run, not the paper's data and models: none of these are the paper's numbers."


def vqa(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    columns = ["overall", "yes/no", "number", "other"]
    rows = []
    for label, reports in _by_answerer(files, cfg).items():
        by_type = [over_seeds(reports, "per_answer_type", kind) for kind in columns[1:]]
        rows.append(Row([label], [over_seeds(reports, "overall"), *by_type]))
    return Table(title, ["answers"], columns, rows)


def vqa_types(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    answerers = _by_answerer(files, cfg)
    first = next(iter(answerers.values()))
    rows = [
        Row([kind], [over_seeds(reports, "per_question_type", kind) for reports in answerers.values()])
        for kind in sorted(next(iter(first.values()))["per_question_type"])
    ]
    return Table(title, ["question type"], list(answerers), rows)


def _by_answerer(files: list[Path], cfg: dict[str, Any]) -> dict[str, Reports]:
    """{label: contents by seed} of `.../<trained>/<answerer>/<asked about>/s<seed>.json`."""
    names = labels(cfg, "answerers")
    return {names[answerer]: reports for (_, answerer, _), reports in read_groups(files).items()}


KINDS: dict[str, Callable[[list[Path], dict[str, Any], str], Table]] = {
    "captions": captions, "comparison": comparison, "sweep": sweep, "vqa": vqa, "vqa_types": vqa_types,
    **gap.BUILDERS,
}  # fmt: skip


def build(name: str, files: list[Path], cfg: dict[str, Any]) -> Table:
    """The named table from its metric files, which come in the order of its rows."""
    about = section(cfg, f"tables.{name}")
    table = KINDS[about["kind"]](files, cfg | {"table": name}, f"{about['title']} ({cfg['profile']} profile)")
    return replace(table, notes=[REDUCED, *table.notes]) if cfg["reduced"] else table
