"""Tables of caption metrics: methods side by side, changes against a reference, and sweeps over one setting."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.settings import labels, section, swept
from ..metrics.bootstrap import RESAMPLES, aligned_statistics, difference_interval, resampled
from ..metrics.registry import metric_names, metrics
from .results import Results, common_seeds, on_common_seeds, read_results, seed_notes
from .table import BOUND, DIFFERENCE, MINUS, Cell, Row, Table, cell

MARK = "*"
DELTA = ("ΔCIDEr", "Δ 95 % low", "Δ 95 % high")
RESAMPLING = (
    f"paired bootstrap of corpus metrics, {RESAMPLES} resamples of the test images and of the seeds, the same ones on "
    "both sides, without correction for the number of comparisons"
)


def captions(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """Methods by data set; marks where one differs from the table's reference."""
    names, found = labels(cfg, "datasets"), read_results(files, cfg["cells"])
    reference = cfg.get(f"tables.{cfg['table']}.reference")
    bases = {(r.about["trained"], r.about["tested"]): r for r in found if r.about["experiment"] == reference}
    in_domain = all(results.about["trained"] == results.about["tested"] for results in found)
    rows, notes = [], []
    for results in found:
        trained, experiment, tested = results.about.values()
        where = names[tested] if in_domain else f"{names[trained]} → {names[tested]}"
        base = bases.get((trained, tested))
        cells = _marked(results, base, cfg["seed"]) if base and experiment != reference else _cells(results)
        rows.append(Row([where, cfg[f"experiments.{experiment}.label"]], cells))
    if reference:
        notes.append(mark_note(cfg[f"experiments.{reference}.label"]))
    headers = ["data set" if in_domain else "trained → tested", "method"]
    notes += seed_notes([row.labels[-1] for row in rows], found, compared=bool(reference))
    notes = [*_metric_notes(rows), *notes, *_method_notes(found, cfg), *_coverage_notes(found, cfg)]
    return Table(title, headers, metric_names(), rows, notes)


def comparison(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """Each change with its paired difference in CIDEr to what it is held against, and what that says of a claim."""
    found = {results.about["experiment"]: results for results in read_results(files, cfg["cells"])}
    reference = cfg[f"tables.{cfg['table']}.reference"]
    against = {name: cfg.get(f"experiments.{name}.against", reference) for name in found}
    held = "the nearest row above without one" if set(against.values()) - {reference} else "the reference"
    rows, notes = [], [f"Δ: difference to {held}, with the 95 % interval of a {RESAMPLING}."]
    for experiment, results in found.items():
        difference: list[Cell | None] = [None, None, None]
        label = cfg[f"experiments.{experiment}.label"]
        if experiment not in against.values():
            difference = _difference(results, found[against[experiment]], cfg["seed"])
            for key, sign in (("lowers", -1), ("raises", 1)) if cfg[f"tables.{cfg['table']}.claims"] else ():
                if (claim := cfg.get(f"experiments.{experiment}.{key}")) and difference[0]:
                    other = cfg[f"experiments.{against[experiment]}.label"]
                    notes.append(f"Claim “{claim}”: {_verdict(difference, sign, f'{label} against {other}')}.")
        rows.append(Row([label], [*_cells(results), *difference]))
    notes += seed_notes([row.labels[-1] for row in rows], found.values(), compared=True)
    notes = [*_metric_notes(rows), *notes, *_method_notes(found.values(), cfg), *_coverage_notes(found.values(), cfg)]
    return Table(title, ["variant"], [*metric_names(), *DELTA], rows, notes)


def sweep(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """One row for each value of the setting that the table's `key` names, in their order, against the profile's own.

    All on the seeds that every row has, so that one value is compared with the next.
    """
    found, key = read_results(files, cfg["cells"]), cfg[f"tables.{cfg['table']}.key"]
    filled = [results for results in found if results.seeds]
    shared = common_seeds(filled)
    fewer = bool(shared) and any(len(results.seeds) > len(shared) for results in filled)
    found = [results.of_seeds(shared) if fewer else results for results in found]
    by_value = {swept(cfg, results.about["experiment"], key): results for results in found}
    own, rows = by_value.get(float(cfg[key])), []
    for value, results in sorted(by_value.items()):
        difference = _difference(results, own, cfg["seed"]) if own and results is not own else [None, None, None]
        rows.append(Row([f"{value:g}"], [*_cells(results), *difference]))
    notes = [*_metric_notes(rows), *_shared_note([results.about["experiment"] for results in found], key, cfg)]
    where, name = key.replace("_", " ").split(".", 1)
    if fewer:
        notes.append(f"On the seeds that all rows have: {', '.join(map(str, shared))}.")
    if own:
        notes.append(f"Δ: difference to {cfg[key]:g}, the profile's value, with the 95 % interval of a {RESAMPLING}.")
    notes += _coverage_notes(found, cfg)
    return Table(title, [f"{name} ({where})"], [*metric_names(), *DELTA], rows, notes)


def _shared_note(experiments: list[str], key: str, cfg: dict[str, Any]) -> list[str]:
    """In what all rows of a sweep differ from the profile's generation and selection settings."""
    kinds = ("generation.", "selection.")
    differing = (
        {pair for pair in section(cfg, f"experiments.{name}").items() if pair[0].startswith(kinds)}
        for name in experiments
    )
    shared = set.intersection(*differing)
    told = sorted(f"{name.split('.')[1].replace('_', ' ')} {value}" for name, value in shared if name != key)
    return [f"In every row: {', '.join(told)}."] if told else []


def _cells(results: Results) -> list[Cell | None]:
    """One cell per corpus metric over the seeds."""
    return [results.overall(metric) for metric in metric_names()]


def _marked(ours: Results, base: Results, seed: int) -> list[Cell | None]:
    """As `_cells`, with a mark on each that differs from the other experiment's."""
    pair = on_common_seeds(ours, base)
    if not comparable(*pair):
        return _cells(ours)
    return [marked(own, metric, *pair, seed) for metric, own in zip(metric_names(), _cells(ours), strict=True)]


def marked(own: Cell | None, metric: str, ours: Results, base: Results, seed: int) -> Cell | None:
    """A cell of ours, with a mark if it differs from the other's on the same seeds and images."""
    return replace(own, mark=MARK) if own and _leaves_out_zero(_interval(metric, ours, base, seed)) else own


def mark_note(label: str) -> str:
    return f"{MARK} differs from {label} of the same data: the 95 % interval leaves out 0 ({RESAMPLING})."


def comparable(ours: Results, base: Results) -> bool:
    """Whether they have seeds, and the same images; predictions that others published have no seed in common with ours,
    and a human's captions may have fewer images, as some have no second one."""
    images = {frozenset(rows.image_id) for results in (ours, base) for rows in results.by_seed}
    return len(images) == 1


def _interval(metric: str, ours: Results, base: Results, seed: int) -> tuple[float, float]:
    """The 95 % interval of the difference of means over seeds, in percent, on the same resamples of the images."""
    rows, count = aligned_statistics([*ours.by_seed, *base.by_seed], metric), len(ours.seeds)
    drawn = [resampled(metric, part, RESAMPLES, seed) for part in (rows[:count], rows[count:])]
    return difference_interval(drawn[0], drawn[1], seed)


def _leaves_out_zero(interval: tuple[float, float]) -> bool:
    return interval[0] > 0 or interval[1] < 0


def _difference(ours: Results, base: Results, seed: int) -> list[Cell | None]:
    """CIDEr's difference over the seeds that both have, and the ends of its interval; empty cells without such seeds,
    or where one is of fewer images."""
    ours, base = on_common_seeds(ours, base)
    if not ours.seeds or ours.coverage != base.coverage:
        return [None, None, None]
    own, other = ours.overall("CIDEr"), base.overall("CIDEr")
    assert own
    assert other
    pairs = zip(ours.whole["CIDEr"], base.whole["CIDEr"], strict=True)
    delta = cell([float(a - b) for a, b in pairs], [*own.sources, *other.sources], DIFFERENCE)
    ends = _interval("CIDEr", ours, base, seed)
    return [delta, *(replace(delta, value=end, sd=None, kind=BOUND) for end in ends)]


def _verdict(difference: list[Cell | None], sign: int, compared: str) -> str:
    """A claim holds when the interval of CIDEr's difference lies on its side of 0."""
    delta, low, high = (cell for cell in difference if cell)
    seeds = "1 seed" if delta.n == 1 else f"{delta.n} seeds"
    held = "holds" if sign * low.value > 0 else "does not hold"
    verdict = held if _leaves_out_zero((low.value, high.value)) else "is undecided"
    shown = f"{delta.value:+.1f} [{low.value:+.1f}, {high.value:+.1f}]".replace("-", MINUS)
    return f"{verdict} here on {seeds}: {compared}, CIDEr {shown}"


def _metric_notes(rows: list[Row]) -> list[str]:
    """Why cells are empty, and of which metrics less is better."""
    columns = {name: [row.cells[i] for row in rows] for i, name in enumerate(metric_names())}
    absent = [metric.absent for metric in metrics() if metric.absent and None in columns[metric.names[0]]]
    lower = [name for metric in metrics() if not metric.higher_is_better for name in metric.names]
    return [*absent, *([f"Lower is better: {', '.join(lower)}."] if lower else [])]


def _method_notes(found: Iterable[Results], cfg: dict[str, Any]) -> list[str]:
    """What the config notes of the experiments shown, such as where a method differs from the published one."""
    shown = dict.fromkeys(results.about["experiment"] for results in found)
    notes = ((cfg[f"experiments.{name}.label"], cfg.get(f"experiments.{name}.note")) for name in shown)
    return [f"{label}: {note}." for label, note in notes if note]


def _coverage_notes(found: Iterable[Results], cfg: dict[str, Any]) -> list[str]:
    """Of how many images of a test set predictions speak, where these were published by others or are not all."""
    names, notes = labels(cfg, "datasets"), []
    for results in found:
        label = cfg[f"experiments.{results.about['experiment']}.label"]
        place = f"{label}, {results.place(names)}"
        images, of = results.coverage
        if not images:
            notes.append(f"{place}: no image has a second caption, which it would be scored against.")
        elif results.seeds == [None] or images < of:
            notes.append(f"{place}: for {images:,} of {of:,} images; never marked.")
    return notes
