"""Figures: the two findings of the paper, the training curves, and metrics over a setting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from .artifacts import read_json, write_figure
from .tables import Cell, Table

STYLE: Any = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10,
    "axes.titleweight": "bold", "legend.frameon": False, "svg.hashsalt": "maccap", "figure.dpi": 100,
}  # fmt: skip
COLOURS = ("#2166ac", "#d6604d", "#1b7837", "#762a83", "#8c510a", "#4d4d4d")


def save(figure: Any, outputs: list[Path]) -> None:
    for path in outputs:
        write_figure(path, figure)
    plt.close(figure)


def gap_figure(reports: list[Path], outputs: list[Path], labels: dict[str, str]) -> None:
    """Four panels: nearness of features to captions, mean gap, normality, covariance spectrum; per data set's label."""
    loaded = {labels[path.stem]: read_json(path) for path in reports}
    with plt.rc_context(STYLE):
        figure, ((near, mean), (normal, spectrum)) = plt.subplots(2, 2, figsize=(10, 7.2))
        _nearness_panel(near, loaded)
        _mean_panel(mean, loaded)
        _normal_panel(normal, loaded)
        _spectrum_panel(spectrum, loaded)
        figure.tight_layout(h_pad=2.5, w_pad=2)
        save(figure, outputs)


def _nearness_panel(axes: Any, loaded: dict[str, Any]) -> None:
    kinds = list(next(iter(loaded.values()))["nearness"])
    height = 0.8 / len(loaded)
    for i, ((name, report), colour) in enumerate(zip(loaded.items(), COLOURS, strict=False)):
        place = np.arange(len(kinds)) + (i - (len(loaded) - 1) / 2) * height
        best = [report["nearness"][kind]["best"] for kind in kinds]
        axes.barh(place, best, height * 0.9, color=colour, label=name)
        mean = [report["nearness"][kind]["mean"] for kind in kinds]
        axes.plot(
            mean, place, "|", color="black", markersize=8, label="mean of the image's features" if not i else None
        )
    axes.set_yticks(np.arange(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.set_xlabel("cosine to the caption (bar: the image's best feature)")
    axes.set_title("How near features lie to the caption")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.3, -0.16), ncols=3)


def _mean_panel(axes: Any, loaded: dict[str, Any]) -> None:
    for (name, report), colour in zip(loaded.items(), COLOURS, strict=False):
        values = sorted(report["gap"]["mean"])
        axes.plot(np.linspace(0, 1, len(values)), values, color=colour, label=name)
        error = 1.96 * np.sqrt(report["gap"]["variance_per_dimension"] / report["gap"]["pairs"])
        axes.axhspan(-error, error, color=colour, alpha=0.2)
    axes.set_xlabel("dimensions, sorted (shaded: 95 % of them if the gap were zero-mean)")
    axes.set_ylabel("mean of image − caption")
    axes.set_title("Is the gap zero-mean?")
    axes.legend(fontsize=8)


def _normal_panel(axes: Any, loaded: dict[str, Any]) -> None:
    expected = stats.norm.ppf(np.arange(1, 100) / 100)
    axes.plot(expected, expected, color="0.6", linewidth=1, label="normal")
    for (name, report), colour in zip(loaded.items(), COLOURS, strict=False):
        quantiles = report["gap"]["standardised_quantiles"]
        axes.plot(expected, quantiles, ".", markersize=4, color=colour, label=name)
    axes.set_xlabel("normal quantile")
    axes.set_ylabel("quantile of the standardised gap")
    axes.set_title("Is each dimension normal?")
    axes.legend(fontsize=8)


def _spectrum_panel(axes: Any, loaded: dict[str, Any]) -> None:
    for (name, report), colour in zip(loaded.items(), COLOURS, strict=False):
        values = np.array(report["gap"]["spectrum"])
        axes.plot(np.arange(1, len(values) + 1), values / values.sum(), color=colour, label=name)
    axes.axhline(1 / len(values), color="0.6", linewidth=1, label="isotropic")
    axes.set_yscale("log")
    axes.set_ylim(bottom=1e-5)
    axes.set_xlabel("principal direction")
    axes.set_ylabel("share of the gap's variance")
    axes.set_title("Covariance spectrum")
    axes.legend(fontsize=8)


def training_curves(logs: list[Path]) -> pd.DataFrame:
    """Training loss in nats per token: one line per data set, run, seed and logged step."""
    rows = [
        [*path.parts[-4:-1], row["step"], row["loss"]]
        for path in logs
        for row in map(json.loads, path.read_text().splitlines())
    ]
    return pd.DataFrame(rows, columns=["dataset", "run", "seed", "step", "loss"])


def training_figure(logs: list[Path], outputs: list[Path], labels: dict[str, str]) -> None:
    """Loss of every run by data set, mean over seeds: training as a line, validation without padding as points."""
    domains = sorted({path.parts[-4] for path in logs})
    runs = sorted({path.parts[-3] for path in logs})
    palette = dict(zip(runs, plt.get_cmap("tab20").colors * len(runs), strict=False))  # type: ignore[attr-defined]
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(domains), figsize=(5.5 * len(domains), 5.2), sharey=True, squeeze=False)
        for axes, domain in zip(panels[0], domains, strict=True):
            for run in runs:
                own = [path for path in logs if path.parts[-4:-2] == (domain, run)]
                rows = (
                    pd.concat([pd.read_json(path, lines=True) for path in own]).groupby("step").mean() if own else None
                )
                if rows is not None:
                    axes.plot(rows.index, rows["loss"], color=palette[run], lw=1, label=run)
                    axes.plot(rows.index, rows["validation_loss"], ".", color=palette[run])
            axes.set_title(f"Text-only training, {labels[domain]}")
            axes.set_xlabel("step")
            axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))
        panels[0][0].set_ylabel("reconstruction loss (nats per token)")
        figure.tight_layout()
        save(figure, outputs)


SWEPT = ("CIDEr", "METEOR", "CLIPScore")


def sweep_figure(table: Table, outputs: list[Path]) -> None:
    """Caption metrics over the values of one setting, mean and standard deviation over seeds, values evenly spaced."""
    values = [row.labels[0] for row in table.rows]
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(SWEPT), figsize=(10, 3.2))
        for axes, metric, colour in zip(panels, SWEPT, COLOURS, strict=False):
            cells = [row.cells[table.columns.index(metric)] for row in table.rows]
            found = [cell for cell in cells if isinstance(cell, Cell)]
            spread = [cell.sd or 0.0 for cell in found]
            axes.errorbar(values, [cell.value for cell in found], spread, fmt="o-", capsize=3, color=colour)
            axes.set_title(metric)
            axes.set_xlabel(table.headers[0])
            axes.set_ylim(bottom=0)
        figure.suptitle(table.title, fontweight="bold")
        figure.tight_layout()
        save(figure, outputs)
