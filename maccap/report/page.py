"""The page: tables, figures, samples and settings put into the template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json, sha256
from ..core.errors import DataError
from ..core.job import Job
from ..core.settings import FINDINGS
from ..figures.gap_legends import LEGENDS
from ..tables.anchors import cell_anchor
from ..tables.table import Cell, Table, read_table
from . import about
from .inline import figure
from .template import render

RANDOM_IMAGES = 4  # of each test set; the page of samples has more
RANDOM_QUESTIONS = 8


def report_page(job: Job) -> str:
    """The whole page as HTML; equal inputs, config and environment give equal text.

    Inputs: `tables` (JSON), `figures` (PNG and SVG of each), `methods` (their modules), and `samples` (JSON of the step
    of that name).

    Raises:
        DataError: an input is missing, damaged, or belongs to another run.
    """
    cfg, samples = job.settings, read_json(job.input("samples"))
    tables = {path.stem: read_table(path) for path in job.inputs["tables"]}
    findings = {name for name in tables if cfg.get(f"tables.{name}.kind") in FINDINGS}
    ordered = sorted(tables, key=lambda name: name in findings)
    shown = {name: _table(name, tables[name], number) for number, name in enumerate(ordered, start=1)}
    return render(
        "page.html.j2",
        cfg=cfg,
        about=about,
        seeds=about.seeds(cfg),
        fewer_seeds=any(key.endswith(".repeats") for key in cfg),
        methods=about.method_texts(job.inputs["methods"]),
        labels={name: cfg[f"datasets.{name}.label"] for name in about.names(cfg, "datasets")},
        results={name: table for name, table in shown.items() if name not in findings},
        findings={name: table for name, table in shown.items() if name in findings},
        figures={name: figure(files) for name, files in _figures(job.inputs["figures"]).items()},
        legends=LEGENDS,
        images=[part | {"images": _some(part["images"])} for part in samples["images"]],
        questions=[part | {"questions": part["questions"][:RANDOM_QUESTIONS]} for part in samples["questions"]],
        environment=about.environment(path for paths in job.inputs.values() for path in paths),
        missing=about.not_run(cfg, tables),
        digests=[[path.stem, sha256(path)] for path in job.inputs["tables"]],
    )


def _some(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chosen images and the first of the random ones, in their order."""
    drawn = [image["image_id"] for image in images if image["drawn"]]
    return [image for image in images if image["image_id"] not in drawn[RANDOM_IMAGES:]]


def _figures(files: Sequence[Path]) -> dict[str, list[Path]]:
    by_name: dict[str, list[Path]] = {}
    for path in files:
        by_name.setdefault(path.stem, []).append(path)
    return by_name


def _table(name: str, table: Table, number: int) -> dict[str, Any]:
    """A table as the template wants it.

    Raises:
        DataError: two numbers have one anchor.
    """
    anchors = [cell_anchor(name, row.labels, column) for row, column, _ in table.numbers()]
    if twice := [anchor for anchor, count in Counter(anchors).items() if count > 1]:
        raise DataError(f"table {name}: two numbers share the place {twice[0]}; give their rows other labels")
    rows = [
        {
            "labels": row.labels,
            "cells": [
                _cell(cell, cell_anchor(name, row.labels, column), table.digits)
                for column, cell in zip(table.columns, row.cells, strict=True)
            ],
        }
        for row in table.rows
    ]
    about = {key: getattr(table, key) for key in ("title", "headers", "columns", "notes")}
    return about | {"rows": rows, "number": number}


def _cell(cell: Cell | str | None, anchor: str, digits: int) -> dict[str, str]:
    """`mean`, `spread`, `mark` and `anchor` of a number; a text has only its `mean`."""
    if not isinstance(cell, Cell):
        return {"mean": cell or "", "spread": "", "mark": "", "anchor": ""}
    mean, _, spread = cell.text(digits).partition(" ± ")
    return {"mean": mean, "spread": spread, "mark": cell.mark, "anchor": anchor}
