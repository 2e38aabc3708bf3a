"""Published numbers beside ours, each with a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from ..core.settings import labels
from ..metrics.bootstrap import RESAMPLES, VQA, aligned_statistics, interval
from .captions import SPICE_ABSENT, grouped
from .published import CLOSE, Reported, verdict
from .table import BOUND, Cell, Row, Table, cell, pointer

NO_TEXT = "none"


def reported_table(files: list[Path], published: Sequence[Reported], cfg: dict[str, Any]) -> Table:
    """What was run first, then the numbers published for the same data that were not.

    An experiment, or a way of answering, stands beside the method that its `reported_as` names, in the settings and
    metrics published for it. `trained_on` says what the published one was trained on where that is no data set of ours.
    """
    names = labels(cfg, "datasets") | {NO_TEXT: "no text"}
    published = [entry for entry in published if {entry.trained_on, entry.tested_on} <= names.keys()]
    sources = dict.fromkeys(f"{entry.source}; {entry.evidence}." for entry in published if entry.source)
    numbers = {source: f"[{number}]" for number, source in enumerate(sources, start=1)}
    rows, notes, shown = [], _rules(cfg), []
    for group, paths in grouped(files).items():
        *key, label = _as_published(group, Path(paths[0]).parts[-5], cfg)
        own = [entry for entry in published if [entry.method, entry.trained_on, entry.tested_on] == key]
        if not own:
            continue
        reports = {path: read_json(path) for path in paths}
        rows += [_comparison(entry, label, reports, numbers, names, cfg) for entry in own]
        shown += own
        if Path(paths[0]).stem == "published":
            images, of = (reports[paths[0]][name] for name in ("images", "of"))
            notes.append(f"{label}, {_setting(own[0], names)}: predictions as published, for {images} of {of} images.")
    left = [entry for entry in published if entry.value is not None and entry not in shown]
    rows += [_comparison(entry, "", {}, numbers, names, cfg) for entry in left]
    if any(entry.metric == "SPICE" and row.cells[1] is None for entry, row in zip(shown, rows)):
        notes.append(SPICE_ABSENT)
    cautions = dict.fromkeys(f"{entry.method}: {entry.note}." for entry in shown + left if entry.note)
    notes += [*cautions, *(f"{number} {source}" for source, number in numbers.items())]
    headers = ["trained → tested", "method", "ours", "metric"]
    return Table(
        f"Reported and reproduced ({cfg['profile']} profile)",
        headers,
        ["reported", "reproduced", "95 % low", "95 % high", "verdict", "source"],
        rows,
        notes,
    )


def _as_published(group: tuple[str, str, str], kind: str, cfg: dict[str, Any]) -> tuple[str, str, str, str]:
    """Method, trained on and tested on in the words of reported.csv, and our own label, of a group of metric files."""
    trained, name, tested = group
    about = f"answerers.{name}" if kind == "vqa" else f"experiments.{name}"
    return cfg.get(f"{about}.reported_as", ""), cfg.get(f"{about}.trained_on", trained), tested, cfg[f"{about}.label"]


def _comparison(
    entry: Reported,
    label: str,
    reports: dict[str, Any],
    numbers: dict[str, str],
    names: dict[str, str],
    cfg: dict[str, Any],
) -> Row:
    """One published number beside the metric files' contents, one per seed, that answer to it; none if not run."""
    values = [r["overall"] if entry.metric == VQA else r["corpus"].get(entry.metric) for r in reports.values()]
    cells: list[Cell | None] = [None, None, None]
    mean, bounds = None, None
    if values and None not in values:
        at = pointer("overall") if entry.metric == VQA else pointer("corpus", entry.metric)
        ours = cell(values, list(reports), at)
        mean, bounds = ours.value, interval(entry.metric, aligned_statistics(reports, entry.metric))
        cells = [ours, *(replace(ours, value=end, sd=None, kind=BOUND) for end in bounds)]
    value = None if entry.value is None else float(entry.value)
    said = verdict(value, entry.precision, mean, bounds, cfg["reported.tolerance"], cfg["reduced"])
    printed = "" if entry.value is None else str(entry.value)
    source = numbers.get(f"{entry.source}; {entry.evidence}.")
    return Row([_setting(entry, names), entry.method, label, entry.metric], [printed, *cells, said, source])


def _setting(entry: Reported, names: dict[str, str]) -> str:
    return f"{names[entry.trained_on]} → {names[entry.tested_on]}"


def _rules(cfg: dict[str, Any]) -> list[str]:
    tolerance = cfg["reported.tolerance"]
    return ["Reduced run, not the paper's data and models: nothing here counts as reproduced."] * cfg["reduced"] + [
        f"95 % interval: {RESAMPLES} bootstrap resamples of the images, the same ones for all seeds; CIDEr keeps the "
        "document frequencies of the whole set.",
        f"Reproduced: the mean over seeds differs from the reported value by at most {tolerance:g} (or half a unit of "
        "its last digit, if that is more), or the reported value lies in the interval; close: by at most "
        f"{CLOSE} times that. Without a reported value there is no verdict.",
    ]
