"""Tables of caption metrics: methods side by side, changes against a reference, and sweeps over one setting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.artifacts import read_json
from ..core.settings import labels, section
from ..metrics.bootstrap import RESAMPLES, aligned_statistics, difference_interval, resampled
from .table import BOUND, DIFFERENCE, Cell, Row, Table, cell, pointer

CAPTION_METRICS = (
    "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE", "CLIPScore", "RefCLIPScore",
)  # fmt: skip
SPICE_ABSENT = "SPICE is empty where Stanford CoreNLP 3.6.0 was not supplied."
MARK = "*"
DELTA = ("ΔCIDEr", "Δ 95 % low", "Δ 95 % high")
RESAMPLING = (
    f"paired bootstrap of corpus metrics, {RESAMPLES} resamples of the test images and of the seeds, the same ones on "
    "both sides, without correction for the number of comparisons"
)
Group = tuple[str, str, str]
Reports = dict[str, dict[str, Any]]  # the contents of metric files by their paths, one file for each seed


def grouped(files: list[Path]) -> dict[Group, list[str]]:
    """{(trained on, experiment, tested on): files by seed} of `.../<trained>/<experiment>/<tested>/s<seed>.json`."""
    groups: dict[Group, list[str]] = {}
    for path in files:
        groups.setdefault((path.parts[-4], path.parts[-3], path.parts[-2]), []).append(str(path))
    return groups


def read_groups(files: list[Path]) -> dict[Group, Reports]:
    """As `grouped`, with the contents of the files.

    Raises:
        DataError: a file is missing or is not JSON.
    """
    return {group: {path: read_json(path) for path in paths} for group, paths in grouped(files).items()}


def over_seeds(reports: Reports, *keys: str) -> Cell | None:
    """The cell of a value in the files of all seeds, None where one lacks it."""
    contents: Iterable[Any] = reports.values()
    try:
        values = [float(reduce(getitem, keys, report)) for report in contents]
    except KeyError:
        return None
    return cell(values, list(reports), pointer(*keys))


class Paired:
    """Two groups of metric files, one file per seed, compared on the same resamples of their images."""

    def __init__(self, ours: Reports, base: Reports, seed: int) -> None:
        self.ours, self.base, self.seed = ours, base, seed

    @property
    def comparable(self) -> bool:
        """Whether they have the same seeds and images; predictions that others published may have neither."""
        images = {frozenset(report["per_item"]) for report in (*self.ours.values(), *self.base.values())}
        return len(self.ours) == len(self.base) and len(images) == 1

    def interval(self, metric: str) -> tuple[float, float]:
        """The 95 % interval of the difference of means over seeds, in percent."""
        rows = aligned_statistics(self.ours | self.base, metric)
        ours, base = (
            self._resampled(metric, rows[half]) for half in (slice(len(self.ours)), slice(len(self.ours), None))
        )
        return difference_interval(ours, base, self.seed)

    def _resampled(self, metric: str, rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return resampled(metric, rows, RESAMPLES, self.seed)


def captions(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """Methods by data set; marks where one differs from the table's reference."""
    names, groups = labels(cfg, "datasets"), read_groups(files)
    reference = cfg.get(f"tables.{cfg['table']}.reference")
    in_domain = all(trained == tested for trained, _, tested in groups)
    rows, notes = [], []
    for (trained, experiment, tested), reports in groups.items():
        where = names[tested] if in_domain else f"{names[trained]} → {names[tested]}"
        base = groups.get((trained, reference, tested)) if reference else None
        cells = _marked(reports, base, cfg) if base and experiment != reference else _cells(reports)
        rows.append(Row([where, cfg[f"experiments.{experiment}.label"]], cells))
    if reference:
        label = cfg[f"experiments.{reference}.label"]
        notes.append(f"{MARK} differs from {label} of the same data: the 95 % interval leaves out 0 ({RESAMPLING}).")
    headers = ["data set" if in_domain else "trained → tested", "method"]
    return Table(
        title,
        headers,
        list(CAPTION_METRICS),
        rows,
        [*_spice_note(rows), *notes, *_method_notes(groups, cfg), *_coverage_notes(groups, cfg)],
    )


def comparison(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """Each change with its paired difference in CIDEr to the reference, and what that says of a claim."""
    groups = read_groups(files)
    by_experiment = {experiment: reports for (_, experiment, _), reports in groups.items()}
    reference = by_experiment[cfg[f"tables.{cfg['table']}.reference"]]
    rows, notes = [], [f"Δ: difference to the reference, with the 95 % interval of a {RESAMPLING}."]
    for experiment, reports in by_experiment.items():
        difference: list[Cell | None] = [None, None, None]
        label = cfg[f"experiments.{experiment}.label"]
        if reports is not reference:
            difference = _difference(reports, reference, cfg["seed"])
            for key, sign in (("lowers", -1), ("raises", 1)):
                if claim := cfg.get(f"experiments.{experiment}.{key}"):
                    notes.append(f"Claim “{claim}”: {_verdict(difference, sign)} here ({label}).")
        rows.append(Row([label], [*_cells(reports), *difference]))
    notes = [*_spice_note(rows), *notes, *_method_notes(groups, cfg)]
    return Table(title, ["variant"], [*CAPTION_METRICS, *DELTA], rows, notes)


def sweep(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """One row for each value of the setting that the table's `key` names, in their order, against the profile's own."""
    groups, key = read_groups(files), cfg[f"tables.{cfg['table']}.key"]
    by_value = {swept(cfg, experiment, key): reports for (_, experiment, _), reports in groups.items()}
    own, rows = by_value.get(float(cfg[key])), []
    for value, reports in sorted(by_value.items()):
        difference = _difference(reports, own, cfg["seed"]) if own and reports is not own else [None, None, None]
        rows.append(Row([f"{value:g}"], [*_cells(reports), *difference]))
    notes = [*_spice_note(rows), *_shared_note([experiment for _, experiment, _ in groups], key, cfg)]
    if own:
        notes.append(f"Δ: difference to {cfg[key]:g}, the profile's value, with the 95 % interval of a {RESAMPLING}.")
    where, _, name = key.partition(".")
    return Table(title, [f"{name.replace('_', ' ')} ({where})"], [*CAPTION_METRICS, *DELTA], rows, notes)


def _shared_note(experiments: list[str], key: str, cfg: dict[str, Any]) -> list[str]:
    """In what all rows of a sweep differ from the profile's decoding."""
    differing = (section(cfg, f"experiments.{name}.decoding").items() for name in experiments)
    shared = set.intersection(*map(set, differing))
    told = sorted(f"{name.replace('_', ' ')} {value}" for name, value in shared if f"decoding.{name}" != key)
    return [f"In every row: {', '.join(told)}."] if told else []


def swept(cfg: dict[str, Any], experiment: str, key: str) -> float:
    """The value of a setting, such as `training.noise_variance`, in an experiment."""
    run = cfg[f"experiments.{experiment}.run"]
    return float(cfg.get(f"experiments.{experiment}.{key}", cfg.get(f"runs.{run}.{key}", cfg[key])))


def _cells(reports: Reports) -> list[Cell | None]:
    """One cell per corpus metric over the seeds' files."""
    return [over_seeds(reports, "corpus", metric) for metric in CAPTION_METRICS]


def _marked(ours: Reports, base: Reports, cfg: dict[str, Any]) -> list[Cell | None]:
    """As `_cells`, with a mark on each that differs from the other files' one."""
    pair, cells = Paired(ours, base, cfg["seed"]), _cells(ours)
    if not pair.comparable:
        return cells
    return [
        replace(own, mark=MARK) if own and _leaves_out_zero(pair.interval(metric)) else own
        for metric, own in zip(CAPTION_METRICS, cells, strict=True)
    ]


def _leaves_out_zero(interval: tuple[float, float]) -> bool:
    return interval[0] > 0 or interval[1] < 0


def _difference(ours: Reports, base: Reports, seed: int) -> list[Cell | None]:
    """CIDEr's difference over the seeds, and the ends of its interval."""
    pairs = zip(ours.values(), base.values(), strict=True)
    differences = [own["corpus"]["CIDEr"] - other["corpus"]["CIDEr"] for own, other in pairs]
    delta = cell(differences, [*ours, *base], pointer("corpus", "CIDEr"), DIFFERENCE)
    ends = Paired(ours, base, seed).interval("CIDEr")
    return [delta, *(replace(delta, value=end, sd=None, kind=BOUND) for end in ends)]


def _verdict(difference: list[Cell | None], sign: int) -> str:
    """A claim holds when the interval of CIDEr's difference lies on its side of 0."""
    delta, low, high = (cell.value for cell in difference if cell)
    shown = f"CIDEr {delta:+.1f} [{low:+.1f}, {high:+.1f}]"
    if not _leaves_out_zero((low, high)):
        return f"is undecided, {shown}, which contains 0,"
    return f"{'holds' if sign * low > 0 else 'does not hold'}, {shown},"


def _spice_note(rows: list[Row]) -> list[str]:
    spice = CAPTION_METRICS.index("SPICE")
    return [SPICE_ABSENT] if any(row.cells[spice] is None for row in rows) else []


def _method_notes(groups: dict[Group, Reports], cfg: dict[str, Any]) -> list[str]:
    """What the config notes of the experiments shown, such as where a method differs from the published one."""
    shown = dict.fromkeys(experiment for _, experiment, _ in groups)
    notes = ((cfg[f"experiments.{name}.label"], cfg.get(f"experiments.{name}.note")) for name in shown)
    return [f"{label}: {note}." for label, note in notes if note]


def _coverage_notes(groups: dict[Group, Reports], cfg: dict[str, Any]) -> list[str]:
    """Of how many images of a test set published predictions speak; they have no seeds to be compared by."""
    names, notes = labels(cfg, "datasets"), []
    for (trained, experiment, tested), reports in groups.items():
        path, scored = next(iter(reports.items()))
        if Path(path).stem == "published":
            label = cfg[f"experiments.{experiment}.label"]
            where = " → ".join(names[name] for name in dict.fromkeys((trained, tested)))
            notes.append(f"{label}, {where}: for {scored['images']:,} of {scored['of']:,} images; never marked.")
    return notes
