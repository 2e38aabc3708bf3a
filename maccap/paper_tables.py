"""What each table of the results holds: rows, columns, and the verdict on the paper's claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .artifacts import read_json
from .caption_tables import captions, comparison, grouped, over_seeds, sweep
from .config import labels, section
from .tables import Row, Table, cell, pointer

REDUCED = "Reduced run, not the paper's data and models: none of these are the paper's numbers."


def vqa(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    columns = ["overall", "yes/no", "number", "other"]
    rows = []
    for label, paths in _by_answerer(files, cfg).items():
        by_type = [over_seeds(paths, "per_answer_type", kind) for kind in columns[1:]]
        rows.append(Row([label], [over_seeds(paths, "overall"), *by_type]))
    return Table(title, ["answers"], columns, rows)


def vqa_types(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    answerers = _by_answerer(files, cfg)
    kinds = sorted(read_json(Path(next(iter(answerers.values()))[0]))["per_question_type"])
    rows = [
        Row([kind], [over_seeds(paths, "per_question_type", kind) for paths in answerers.values()]) for kind in kinds
    ]
    return Table(title, ["question type"], list(answerers), rows)


def _by_answerer(files: list[Path], cfg: dict[str, Any]) -> dict[str, list[str]]:
    """{label: files by seed} of `.../<trained>/<answerer>/<asked about>/s<seed>.json`."""
    names = labels(cfg, "answerers")
    return {names[answerer]: paths for (_, answerer, _), paths in grouped(files).items()}


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


KINDS: dict[str, Callable[[list[Path], dict[str, Any], str], Table]] = {
    "captions": captions, "comparison": comparison, "sweep": sweep, "vqa": vqa, "vqa_types": vqa_types,
    "nearness": nearness, "gap": gap,
}  # fmt: skip


def build(name: str, files: list[Path], cfg: dict[str, Any]) -> Table:
    """The named table from its metric files, which come in the order of its rows."""
    about = section(cfg, f"tables.{name}")
    table = KINDS[about["kind"]](files, cfg | {"table": name}, f"{about['title']} ({cfg['profile']} profile)")
    return replace(table, notes=[REDUCED, *table.notes]) if cfg["reduced"] else table
