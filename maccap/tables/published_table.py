"""Published numbers beside ours, each with a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.settings import labels
from ..metrics.bootstrap import RESAMPLES, VQA, interval
from ..metrics.registry import metric_named
from .captions import ALL_IMAGES
from .published import CLOSE, Reported, verdict
from .results import Results, read_results
from .table import BOUND, Cell, Row, Table

NO_TEXT = "none"


def reported_table(
    captions: list[Path], answers: list[Path], published: Sequence[Reported], cfg: dict[str, Any]
) -> Table:
    """What was run first, then the numbers published for the same data that were not.

    An experiment, or a way of answering, stands beside the method that its `reported_as` names, in the settings and
    metrics published for it. `trained_on` says what the published one was trained on where that is no data set of ours.
    """
    names = labels(cfg, "datasets") | {NO_TEXT: "no text"}
    published = [entry for entry in published if {entry.trained_on, entry.tested_on} <= names.keys()]
    sources = dict.fromkeys(f"{entry.source}; {entry.evidence}." for entry in published if entry.source)
    numbers = {source: f"[{number}]" for number, source in enumerate(sources, start=1)}
    rows, notes, shown = [], _rules(cfg), []
    found = read_results(captions, cfg["cells"]) if captions else []
    found += read_results(answers, cfg["answered"], "vqa_method") if answers else []
    for results in found:
        *key, label = _as_published(results, cfg)
        own = [entry for entry in published if [entry.method, entry.trained_on, entry.tested_on] == key]
        rows += [_comparison(entry, label, results, numbers, names, cfg) for entry in own]
        shown += own
        if own and results.seeds == [None]:
            images, of = (int(results.whole[column].iloc[0]) for column in ("images", "of"))
            notes.append(f"{label}, {_setting(own[0], names)}: predictions as published, for {images} of {of} images.")
    left = [entry for entry in published if entry.value is not None and entry not in shown]
    rows += [_comparison(entry, "", None, numbers, names, cfg) for entry in left]
    empty = [entry.metric for entry, row in zip(shown, rows) if row.cells[1] is None and entry.metric != VQA]
    notes += dict.fromkeys(metric_named(name).absent for name in empty if metric_named(name).absent)
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


def _as_published(results: Results, cfg: dict[str, Any]) -> tuple[str, str, str, str]:
    """Method, trained on and tested on in the words of reported.csv, and our own label, of some results."""
    kind = "vqa_method" if "vqa_method" in results.about else "experiment"
    about = f"{kind}s.{results.about[kind]}"
    trained = cfg.get(f"{about}.trained_on", results.about["trained"])
    return cfg.get(f"{about}.reported_as", ""), trained, results.about["tested"], cfg[f"{about}.label"]


def _comparison(
    entry: Reported,
    label: str,
    results: Results | None,
    numbers: dict[str, str],
    names: dict[str, str],
    cfg: dict[str, Any],
) -> Row:
    """One published number beside the results, if any, that answer to it."""
    cells: list[Cell | None] = [None, None, None]
    mean, bounds = None, None
    if entry.metric == VQA:
        ours = results.over_seeds("accuracy", answer_type=None, question_type=None) if results else None
    else:
        ours = results.over_seeds(entry.metric, **ALL_IMAGES) if results else None
    if results and ours:
        mean, bounds = ours.value, interval(entry.metric, results.statistics(entry.metric))
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
    reduced = ["Reduced run, not the paper's data and models: nothing here counts as reproduced."]
    return [
        *(reduced if cfg["reduced"] else []),
        f"95 % interval: {RESAMPLES} bootstrap resamples of the images, the same ones for all seeds; CIDEr keeps the "
        "document frequencies of the whole set.",
        f"Reproduced: the mean over seeds differs from the reported value by at most {tolerance:g} (or half a unit of "
        "its last digit, if that is more), or the reported value lies in the interval; close: by at most "
        f"{CLOSE} times that. Without a reported value there is no verdict.",
    ]
