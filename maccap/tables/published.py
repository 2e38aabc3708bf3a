"""Published numbers beside ours, and whether ours reproduce them."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..core.artifacts import decoded, reading
from ..core.errors import DataError
from ..core.settings import labels
from ..metrics.bootstrap import RESAMPLES, VQA, aligned_statistics, interval
from ..metrics.registry import metric_named, metric_names
from .results import Results, read_results
from .table import BOUND, Cell, Row, Table

CLOSE = 3  # times the tolerance
NUMBER = re.compile(r"\d+(\.\d+)?")
NO_TEXT = "none"


@dataclass(frozen=True)
class Reported:
    """One published number, in percent as printed; None where nobody has filled it in yet."""

    method: str
    trained_on: str
    tested_on: str
    metric: str
    value: Decimal | None
    encoder: str
    language_model: str
    source: str
    evidence: str
    note: str

    @property
    def precision(self) -> float:
        """One unit of the last printed digit; 0 without a value."""
        return float(Decimal(1).scaleb(int(self.value.as_tuple().exponent))) if self.value is not None else 0.0


COLUMNS = [field.name for field in fields(Reported)]


def read_reported(path: Path | str) -> list[Reported]:
    """The published numbers of a CSV file with the columns of `Reported`, in its order.

    Raises:
        DataError: no such file or other columns; or, with the line, a field that is missing or wrong, a value without
            source or evidence, or a number given twice.
    """
    with reading(path, "cannot be read as CSV", "correct it"):
        reader = csv.DictReader(io.StringIO(decoded(Path(path).read_bytes(), path), newline=""), strict=True)
        if reader.fieldnames != COLUMNS:
            raise DataError(f"{path}: its first line must name the columns {','.join(COLUMNS)}")
        rows: dict[tuple[str, ...], Reported] = {}
        for line in reader:
            row = _reported(line, f"{path}, line {reader.line_num}")
            key = (row.method, row.trained_on, row.tested_on, row.metric)
            if key in rows:
                raise DataError(f"{path}, line {reader.line_num}: {', '.join(key)} occurs twice; keep one line")
            rows[key] = row
    return list(rows.values())


def _reported(line: Mapping[str, str], place: str) -> Reported:
    if None in line or None in line.values():
        raise DataError(f"{place}: it must have {len(COLUMNS)} fields; put a field that holds a comma in quotes")
    of_value = ["source", "evidence"] if line["value"] else []
    for name in ("method", "trained_on", "tested_on", "metric", *of_value):
        if not line[name].strip():
            raise DataError(f"{place}: {name} is empty; give it, or remove the line")
    known = [*metric_names(), VQA]
    if line["metric"] not in known:
        raise DataError(f"{place}: unknown metric {line['metric']!r}; known: {', '.join(known)}")
    if line["value"] and not NUMBER.fullmatch(line["value"]):
        raise DataError(
            f"{place}: value {line['value']!r} is not a plain number such as 49.3; leave it empty if unknown"
        )
    value = Decimal(line["value"]) if line["value"] else None
    return Reported(**{**line, "value": value})  # type: ignore[arg-type]


def verdict(
    reported: float | None,
    precision: float,
    mean: float | None,
    interval: tuple[float, float] | None,
    tolerance: float,
    reduced: bool,
) -> str:
    """What a number of ours, the `mean` over seeds with its 95 % `interval`, says of a reported one.

    "not run" without a mean; "reduced run" whenever the run was `reduced`; "" where nothing is reported; "reproduced"
    when they differ by at most `tolerance` (or half the reported `precision`, if that is more) or the reported value
    lies in the interval; "close" when they differ by at most three times that; else "not reproduced".

    A tolerance of 1.0 point is how far careful reruns of the same method with the same code and data lie apart.
    An independent reproduction of CapDec on COCO is 0 to 0.8 points off in BLEU, METEOR and ROUGE-L and 1.5 in
    CIDEr (both in reported.csv).
    """
    if mean is None:
        return "not run"
    if reduced:
        return "reduced run"
    if reported is None:
        return ""
    allowed = max(tolerance, precision / 2) + 1e-9  # printed decimals are no binary fractions
    difference = abs(mean - reported)
    if difference <= allowed or (interval is not None and interval[0] <= reported <= interval[1]):
        return "reproduced"
    return "close" if difference <= CLOSE * allowed else "not reproduced"


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
            images, of = results.coverage
            notes.append(f"{label}, {_setting(own[0], names)}: predictions as published, for {images} of {of} images.")
    left = [entry for entry in published if entry.value is not None and entry not in shown]
    rows += [_comparison(entry, "", None, numbers, names, cfg) for entry in left]
    empty = [entry.metric for entry, row in zip(shown, rows) if row.cells[1] is None and entry.metric != VQA]
    notes += dict.fromkeys(metric_named(name).absent for name in empty if metric_named(name).absent)
    cautions = dict.fromkeys(f"{entry.method}: {entry.note}." for entry in shown + left if entry.note)
    notes += [*cautions, *(f"{number} {source}" for source, number in numbers.items())]
    headers = ["trained → tested", "method", "ours", "metric"]
    columns = ["reported", "reproduced", "95 % low", "95 % high", "verdict", "source"]
    return Table(f"Reported and reproduced ({cfg['profile']} profile)", headers, columns, rows, notes)


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
    ours = results.overall(entry.metric) if results else None
    if results and ours:
        mean, bounds = ours.value, interval(entry.metric, aligned_statistics(results.by_seed, entry.metric))
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
    reduced = "Reduced run, not the paper's data and models: nothing here counts as reproduced."
    return [
        *([reduced] if cfg["reduced"] else []),
        f"95 % interval: {RESAMPLES} bootstrap resamples of the images, the same ones for all seeds; CIDEr keeps the "
        "document frequencies of the whole set.",
        f"Reproduced: the mean over seeds differs from the reported value by at most {tolerance:g} (or half a unit of "
        "its last digit, if that is more), or the reported value lies in the interval; close: by at most "
        f"{CLOSE} times that. Without a reported value there is no verdict.",
    ]
