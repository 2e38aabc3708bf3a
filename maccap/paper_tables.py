"""What each table of the results holds: rows, columns, and the verdict on the paper's claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .artifacts import read_json
from .config import labels
from .tables import DIFFERENCE, Cell, Row, Table, cell, pointer, read_metric

CAPTION_METRICS = (
    "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE", "CLIPScore", "RefCLIPScore",
)  # fmt: skip
REDUCED = "Reduced run, not the paper's data and models: none of these are the paper's numbers."
SPICE_ABSENT = "SPICE is empty where Stanford CoreNLP 3.6.0 was not supplied."


def _cells(files: list[str], columns: Iterable[str]) -> list[Cell | None]:
    """One cell per corpus metric over the seeds' files."""
    return [_over_seeds(files, "corpus", column) for column in columns]


def grouped(files: list[Path]) -> dict[tuple[str, str, str], list[str]]:
    """{(trained on, experiment, tested on): files by seed} of `.../<trained>/<experiment>/<tested>/s<seed>.json`."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for path in files:
        grouped.setdefault((path.parts[-4], path.parts[-3], path.parts[-2]), []).append(str(path))
    return grouped


def _spice_note(rows: list[Row]) -> list[str]:
    spice = CAPTION_METRICS.index("SPICE")
    return [SPICE_ABSENT] if any(row.cells[spice] is None for row in rows) else []


def in_domain(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    names = labels(cfg, "datasets")
    rows = [
        Row([names[tested], cfg[f"experiments.{experiment}.label"]], _cells(paths, CAPTION_METRICS))
        for (_, experiment, tested), paths in grouped(files).items()
    ]
    return Table(title, ["data set", "method"], list(CAPTION_METRICS), rows, _spice_note(rows))


def cross_domain(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    names = labels(cfg, "datasets")
    rows = [
        Row(
            [f"{names[trained]} → {names[tested]}", cfg[f"experiments.{experiment}.label"]],
            _cells(paths, CAPTION_METRICS),
        )
        for (trained, experiment, tested), paths in grouped(files).items()
    ]
    return Table(title, ["trained → tested", "method"], list(CAPTION_METRICS), rows, _spice_note(rows))


def ablation(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """Each change with its paired difference in CIDEr to the reference, and what that says of the paper's claim."""
    by_experiment = {experiment: paths for (_, experiment, _), paths in grouped(files).items()}
    reference = by_experiment[cfg["tables.ablation.reference"]]
    base = [read_metric(path, "corpus", "CIDEr") or 0.0 for path in reference]
    rows, notes = [], []
    for experiment, paths in by_experiment.items():
        ours = [read_metric(path, "corpus", "CIDEr") or 0.0 for path in paths]
        delta = None
        if paths != reference:
            pairs = zip(ours, base, strict=True)
            delta = cell([a - b for a, b in pairs], [*paths, *reference], pointer("corpus", "CIDEr"), DIFFERENCE)
            for key, sign in (("lowers", -1), ("raises", 1)):
                if claim := cfg.get(f"experiments.{experiment}.{key}"):
                    label = cfg[f"experiments.{experiment}.label"]
                    notes.append(f"Claim “{claim}”: {_verdict(delta, sign)} here ({label}: CIDEr {delta.value:+.1f}).")
        rows.append(Row([cfg[f"experiments.{experiment}.label"]], [*_cells(paths, CAPTION_METRICS), delta]))
    return Table(title, ["variant"], [*CAPTION_METRICS, "ΔCIDEr"], rows, _spice_note(rows) + notes)


def _verdict(delta: Cell, sign: int) -> str:
    """A claim holds when CIDEr moves its way by more than two standard errors of the paired difference."""
    moved, margin = sign * delta.value, 2 * (delta.sd or 0.0) / delta.n**0.5
    if moved > margin:
        return "holds"
    return "does not hold" if moved < -margin else "is undecided (within two standard errors)"


def vqa(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    columns = ["overall", "yes/no", "number", "other"]
    rows = []
    for label, paths in _by_answerer(files, cfg).items():
        by_type = [_over_seeds(paths, "per_answer_type", kind) for kind in columns[1:]]
        rows.append(Row([label], [_over_seeds(paths, "overall"), *by_type]))
    return Table(title, ["answers"], columns, rows)


def vqa_types(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    answerers = _by_answerer(files, cfg)
    kinds = sorted(read_json(Path(next(iter(answerers.values()))[0]))["per_question_type"])
    rows = [
        Row([kind], [_over_seeds(paths, "per_question_type", kind) for paths in answerers.values()]) for kind in kinds
    ]
    return Table(title, ["question type"], list(answerers), rows)


def _by_answerer(files: list[Path], cfg: dict[str, Any]) -> dict[str, list[str]]:
    """{label: files by seed} of `.../<trained>/<answerer>/<asked about>/s<seed>.json`."""
    names = labels(cfg, "answerers")
    return {names[answerer]: paths for (_, answerer, _), paths in grouped(files).items()}


def _over_seeds(paths: list[str], *keys: str) -> Cell | None:
    values = [read_metric(path, *keys) for path in paths]
    return cell([v for v in values if v is not None], paths, pointer(*keys)) if None not in values else None


def nearness(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    names = labels(cfg, "datasets")
    columns = {"mean": "mean cosine", "best": "best cosine", "nearer_than_global": "share nearer than global"}
    rows, notes = [], []
    for path in files:
        report = read_json(path)["nearness"]
        for kind, values in report.items():
            cells = [cell([values[key]], [str(path)], pointer("nearness", kind, key)) for key in columns]
            rows.append(Row([names[path.stem], kind], cells))
        best = max((name for name in report if name.startswith("subregions")), key=lambda name: report[name]["best"])
        nearer = report[best]["best"] > report["global"]["best"]
        notes.append(
            f"Claim “subregion features can be nearer to the caption than the global feature”, {names[path.stem]}: "
            f"{'holds' if nearer else 'does not hold'} on average here (best of {best}: {report[best]['best']:.3f}, "
            f"global: {report['global']['best']:.3f}); nearer for {report[best]['nearer_than_global']:.0%} of captions."
        )
    return Table(title, ["data set", "feature"], list(columns.values()), rows, notes, digits=3)


def gap(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    names = labels(cfg, "datasets")
    columns = {
        "length": "gap length", "mean_norm": "mean norm", "mean_norm_if_zero_mean": "mean norm if zero-mean",
        "dimensions_off_zero": "dims with mean ≠ 0", "variance_per_dimension": "variance per dim",
        "dimensions_not_normal": "dims not normal", "absolute_skewness": "absolute skewness",
        "excess_kurtosis": "excess kurtosis", "effective_dimensions": "effective dims",
        "effective_dimensions_if_isotropic": "effective dims if isotropic",
    }  # fmt: skip
    rows, notes = [], []
    for path in files:
        report = read_json(path)
        values = report["gap"]
        found = {pointer("gap", key): values[key] for key in columns}
        found |= {pointer("retrieval", key): value for key, value in report["retrieval"].items()}
        rows.append(Row([names[path.stem]], [cell([value], [str(path)], at) for at, value in found.items()]))
        zero = values["mean_norm"] < 2 * values["mean_norm_if_zero_mean"]
        normal = values["dimensions_not_normal"] < 0.1
        notes.append(
            f"Claim “the gap is zero-mean and Gaussian”, {names[path.stem]}: zero mean {_holds(zero)} (the mean is "
            f"{values['mean_norm'] / values['mean_norm_if_zero_mean']:.1f} times what sampling explains); normality "
            f"per dimension {_holds(normal)} ({values['dimensions_not_normal']:.0%} of dimensions fail the test, "
            "5 % would by chance)."
        )
    recall = [f"image-to-text {name}" for name in report["retrieval"]]
    return Table(title, ["data set"], [*columns.values(), *recall], rows, notes, digits=3)


def _holds(truth: bool) -> str:
    return "holds" if truth else "does not hold"


BUILDERS: dict[str, Callable[[list[Path], dict[str, Any], str], Table]] = {
    "in_domain": in_domain, "cross_domain": cross_domain, "ablation": ablation, "vqa": vqa, "vqa_types": vqa_types,
    "nearness": nearness, "gap": gap,
}  # fmt: skip
TITLES = {
    "in_domain": "In-domain captioning", "cross_domain": "Cross-domain captioning",
    "ablation": "Ablation of MacCap, COCO", "vqa": "Visual question answering",
    "vqa_types": "Visual question answering by question type",
    "nearness": "How near image features lie to their captions",
    "gap": "The gap between an image feature and the mean of its captions' features",
}  # fmt: skip


def build(name: str, files: list[Path], cfg: dict[str, Any]) -> Table:
    """The named table from its metric files, which come in the order of its rows."""
    table = BUILDERS[name](files, cfg, f"{TITLES[name]} ({cfg['profile']} profile)")
    return replace(table, notes=[REDUCED, *table.notes]) if cfg["reduced"] else table
