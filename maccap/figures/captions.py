"""A table of captions drawn: CIDEr of every method, and what lies between MacCap, the ceiling and a human."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from ..core.settings import labels
from ..metrics.bootstrap import RESAMPLES, aligned_statistics, interval_of_runs, resampled
from ..tables.results import Results
from .figures import COLOURS, STYLE, save

METRIC = "CIDEr"
PARTS = {("maccap", "ceiling"): "modality gap, subregions", ("ceiling", "human"): "adaptor and language model"}


def captions_figure(found: Sequence[Results], cfg: dict[str, Any], title: str, outputs: list[Path]) -> None:
    """One panel for each pair of data sets: means over seeds, with 95 % bootstrap intervals over images and seeds."""
    names = labels(cfg, "datasets")
    panels: dict[str, list[Results]] = {}
    for results in found:
        panels.setdefault(results.place(names), []).append(results)
    rows = max(map(len, panels.values())) + len(PARTS)
    with plt.rc_context(STYLE):
        size = (6.8, 0.6 + (0.8 + 0.23 * rows) * len(panels))
        figure, drawn = plt.subplots(len(panels), 1, figsize=size, squeeze=False, sharex=True)
        right = 1.0
        for axes, (place, own) in zip(drawn[:, 0], panels.items(), strict=True):
            right = max(right, _panel(axes, own, cfg))
            axes.set_title(place)
            axes.set_xlabel(METRIC)
            axes.tick_params(labelbottom=True)
        drawn[0, 0].set_xlim(0, right)  # and of all, as they share it
        figure.suptitle(title)
        foot = f"mean over seeds, with the 95 % interval of a bootstrap over images and seeds ({RESAMPLES} resamples)"
        arrow = ["A → B: trained on A, tested on B"] if any("→" in place for place in panels) else []
        figure.supxlabel("\n".join([*arrow, foot, *_one_reference_less(found, cfg)]), fontsize=8)
        figure.tight_layout()
        save(figure, outputs)


def _one_reference_less(found: Sequence[Results], cfg: dict[str, Any]) -> list[str]:
    shown = dict.fromkeys(results.about["experiment"] for results in found if results.by_seed)
    names = [name for name in shown if name == "human" or cfg.get(f"experiments.{name}.given")]
    told = " and ".join(cfg[f"experiments.{name}.label"] for name in names)
    return [f"{told}: scored against one reference less"] if names else []


def _panel(axes: Any, own: Sequence[Results], cfg: dict[str, Any]) -> float:
    """Draw a panel; return how far to the right it needs room."""
    means, right = {}, 1.0
    at_home = own[0].about["trained"] == own[0].about["tested"]  # elsewhere the ceiling is given foreign wording
    for row, results in enumerate(own):
        experiment = results.about["experiment"]
        if not results.by_seed:  # `human`, where no image has a second caption
            continue
        scores = resampled(METRIC, aligned_statistics(results.by_seed, METRIC), RESAMPLES, cfg["seed"])
        low, high = interval_of_runs(scores, cfg["seed"])
        mean = means[experiment] = float(results.whole[METRIC].mean())
        right = max(right, 1.05 * high)
        ends = [[max(0.0, mean - low)], [max(0.0, high - mean)]]
        colour = COLOURS[1] if experiment == "maccap" else COLOURS[0]
        axes.errorbar([mean], [row], xerr=ends, fmt="o", color=colour, capsize=3, ms=4)
    axes.set_yticks(range(len(own)), [cfg[f"experiments.{results.about['experiment']}.label"] for results in own])
    shown = {ends: part for ends, part in PARTS.items() if at_home and means.keys() >= set(ends)}
    for row, ((begin, end), part) in enumerate(shown.items(), start=len(own)):
        axes.plot([means[begin], means[end]], [row, row], "|-", color="0.4", lw=1)
        left = min(means[begin], means[end])
        axes.text(left, row, f"{part}  ", fontsize=7, ha="right", va="center", color="0.25")
    axes.set_ylim(len(own) + len(shown) - 0.5, -0.5)
    return right
