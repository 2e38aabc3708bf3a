"""Figures: what all have in common, the training curves, and metrics over a setting."""

import io
import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd

from ..core.artifacts import write_figure
from ..tables.table import Cell, Table

STYLE: Any = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10,
    "axes.titleweight": "bold", "figure.titleweight": "bold",
    "legend.frameon": False, "svg.hashsalt": "maccap", "figure.dpi": 100,
    "text.parse_math": False,  # a label may hold $
}  # fmt: skip
COLOURS = ("#2166ac", "#d6604d", "#1b7837", "#762a83", "#8c510a", "#4d4d4d")


def canvas(width: float, height: float) -> tuple[Any, Any]:
    """A figure in inches with axes all over it, on which y grows downwards."""
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def svg(figure: Any) -> str:
    """A figure as SVG, without a date; it is closed."""
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    plt.close(figure)
    return drawn.getvalue()


def save(figure: Any, outputs: list[Path], dpi: int = 160) -> None:
    """Write a figure in every format that the outputs' suffixes name, bitmaps in this many dots per inch."""
    for path in outputs:
        write_figure(path, figure, dpi)
    plt.close(figure)


def training_curves(logs: list[Path]) -> pd.DataFrame:
    """The rows of training logs: of each logged step the loss in nats per token, with trained, run and seed."""
    options = {"lines": True, "precise_float": True, "dtype": {"trained": str, "run": str}}  # which may be numbers
    return pd.concat([pd.read_json(path, **options) for path in logs], ignore_index=True)  # type: ignore[call-overload]


def training_figure(curves: pd.DataFrame, outputs: list[Path], labels: dict[str, str], runs: dict[str, str]) -> None:
    """Loss on validation captions by data set, mean over seeds, padding left out.

    Args:
        curves: one row for each run, seed and step that has a `validation_loss`; its data sets are the panels.
        labels: names of the data sets.
        runs: names of the runs.
    """
    domains = list(curves.trained.unique())
    palette = dict(zip(runs, plt.get_cmap("tab10").colors * len(runs), strict=False))  # type: ignore[attr-defined]
    means = curves.groupby(["trained", "run", "step"])["validation_loss"].mean()
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(domains), figsize=(5.5 * len(domains), 4.6), sharey=True, squeeze=False)
        for axes, domain in zip(panels[0], domains, strict=True):
            for run in (run for run in runs if (domain, run) in means.index):
                rows = means.loc[domain, run]
                axes.plot(rows.index, rows, ".-", color=palette[run], lw=1, label=runs[run])
            axes.set_title(f"Text-only training, {labels[domain]}")
            axes.set_xlabel("step")
        panels[0][0].set_ylabel("loss on validation captions (nats per token,\nwithout padding), mean over seeds")
        figure.tight_layout()
        named = {line.get_label(): line for axes in panels[0] for line in axes.lines}
        figure.legend(named.values(), named.keys(), ncols=2 * len(domains), loc="upper center", bbox_to_anchor=(0.5, 0))
        save(figure, outputs)


SWEPT = ("CIDEr", "METEOR", "CLIPScore")


def sweep_figure(table: Table, outputs: list[Path]) -> None:
    """Caption metrics over the values of one setting, mean and standard deviation over seeds, values evenly spaced."""
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(SWEPT), figsize=(10, 3.2))
        for axes, metric, colour in zip(panels, SWEPT, COLOURS, strict=False):
            cells = ((row.labels[0], dict(zip(table.columns, row.cells)).get(metric)) for row in table.rows)
            found = {value: cell for value, cell in cells if isinstance(cell, Cell)}
            spread = [math.nan if cell.sd is None else cell.sd for cell in found.values()]  # one seed has none, not 0
            axes.errorbar([*found], [cell.value for cell in found.values()], spread, fmt="o-", capsize=3, color=colour)
            axes.set_title(metric)
            axes.set_xlabel(table.headers[0])
            axes.set_ylim(0, 1.08 * max((cell.value + (cell.sd or 0.0) for cell in found.values()), default=0) or 1)
        figure.suptitle(table.title)
        seeds = max((cell.n for _, _, cell in table.numbers()), default=1)
        foot = f"mean over {seeds} seeds, ± standard deviation" if seeds > 1 else "one seed"
        figure.supxlabel(foot, fontsize=8)
        figure.tight_layout()
        save(figure, outputs)
