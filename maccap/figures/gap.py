"""The figures about the gap: as wide as a column of a paper, one colour for each data set; see `legends`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from ..core.artifacts import read_json
from ..gap.statistics import PERCENTS
from .figures import STYLE, plt, save

WIDTH = 3.5  # inches
SMALL: Any = STYLE | {
    "font.size": 7, "axes.titlesize": 8, "axes.labelsize": 7, "legend.fontsize": 7, "lines.linewidth": 1.2,
    "axes.linewidth": 0.6, "figure.titlesize": 8, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
}  # fmt: skip
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito's
MARKS = "os^Dvp"
LIGHT, GREY = 0.25, "0.55"
THIN, WIDER = 0.8, 0.7  # points: the line of the last data set, and what each one before it has more
SIDES = {"images": ("#0072b2", "o"), "captions": ("#d55e00", "^")}
PANEL = (1.5, 1.0)  # inches of each panel of the planes

Reports = dict[str, dict[str, Any]]


def draw(name: str, files: list[Path], outputs: list[Path], labels: dict[str, str]) -> None:
    """Draw the named figure of the gap reports of some data sets, whose labels are given by name."""
    reports = {labels[report["dataset"]]: report for report in map(read_json, files)}
    with plt.rc_context(SMALL):
        save(FIGURES[name](reports), outputs, dpi=300)


def _styles(reports: Reports) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], str]]:
    """Each data set's label and report with the style of its lines, wider for what lies below, and a mark."""
    for number, (label, report) in enumerate(reports.items()):
        width = THIN + WIDER * (len(reports) - 1 - number)
        yield label, report, {"color": COLOURS[number % len(COLOURS)], "linewidth": width}, MARKS[number % len(MARKS)]


def _findings(reports: Reports) -> Any:
    """Nearness of features to captions, and the mean of the gap."""
    kinds = list(dict.fromkeys(kind for report in reports.values() for kind in report["nearness"]))
    figure, (near, mean) = plt.subplots(2, 1, figsize=(WIDTH, 4.2), layout="constrained")
    for number, (label, report, line, mark) in enumerate(_styles(reports)):
        place = np.arange(len(kinds)) + (number - (len(reports) - 1) / 2) * 0.25
        found = [report["nearness"].get(kind, {"best": np.nan, "mean": np.nan}) for kind in kinds]
        near.plot([about["best"] for about in found], place, mark, color=line["color"], markersize=4, label=label)
        near.plot([about["mean"] for about in found], place, "|", color=line["color"], markersize=7)
        about = report["gap"]["curves"]["mean"]
        values = np.sort(about["value"])
        mean.plot(np.linspace(0, 100, len(values)), values, **line, label=label)
        error = 1.96 * float(np.mean(about["expected"]))
        for edge in (-error, error):
            mean.axhline(edge, linestyle=":", **line)
    near.set_yticks(np.arange(len(kinds)), kinds)
    near.grid(axis="y", linewidth=0.3)
    near.invert_yaxis()
    near.set_xlabel("cosine to the caption")
    near.set_title("How near features lie to the caption", x=0.3)
    near.plot([], [], "o", color="black", markersize=4, label="a data set's mark: best of the image's features")
    near.plot([], [], "|", color="black", markersize=7, label="their mean")
    near.plot([], [], ":", color="black", label="expected of a zero mean (95 %)")
    mean.set_xlabel("dimensions, sorted (%)")
    mean.set_ylabel("mean of image − captions")
    mean.set_title("Is the gap zero-mean?")
    handles, names = near.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure


def _similarity(reports: Reports) -> Any:
    first = next(iter(reports.values()))["histograms"]
    kinds, bins = list(first), len(next(iter(first.values())))
    edges = np.linspace(-1, 1, bins + 1)
    figure, panels = plt.subplots(
        len(kinds), 1, figsize=(WIDTH, 0.75 * len(kinds) + 0.5), sharex=True, layout="constrained"
    )
    there = np.zeros(bins, bool)
    for axes, kind in zip(panels, kinds, strict=True):
        for label, report, line, _ in _styles(reports):
            counts = np.array(report["histograms"][kind])
            there |= counts > 0
            shares = counts / max(1, counts.sum())
            axes.stairs(shares, edges, fill=True, color=line["color"], alpha=LIGHT)
            axes.stairs(shares, edges, **line, label=label)
            mean = report["repairs"]["none"]["similarity"][kind]["mean"]
            if mean is not None:
                axes.axvline(mean, **line, linestyle=":")
        axes.set_title(kind, loc="left", fontweight="normal", pad=2)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    shown = edges[:-1][there]
    panels[-1].set_xlim(shown.min() - 0.02, shown.max() + 0.02)
    panels[-1].set_xlabel("cosine")
    figure.suptitle("How similar pairs are: share of pairs by cosine")
    panels[0].plot([], [], ":", color="black", linewidth=1, label="mean")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _normality(reports: Reports) -> Any:
    normal = special.ndtri(PERCENTS)
    figure, panels = plt.subplots(2, 2, figsize=(WIDTH, 3.5), layout="constrained")
    (single, skewness), (kurtosis, together) = panels
    for label, report, line, _ in _styles(reports):
        curves = report["gap"]["curves"]
        low, high = curves["quantiles_low"], curves["quantiles_high"]
        single.fill_between(normal, low["expected"], high["expected"], color=GREY, alpha=LIGHT, linewidth=0)
        for edge in (low, high):
            single.plot(normal, edge["value"], **line, label=label if edge is low else None)
        for axes, key in ((skewness, "skewness"), (kurtosis, "kurtosis")):
            axes.plot(curves[key]["value"], 100 * PERCENTS, **line)
            axes.plot(curves[key]["expected"], 100 * PERCENTS, **line, linestyle="--")
        distances = curves["distances"]
        together.plot(distances["expected"], distances["value"], **line)
        together.axline((1, 1), slope=1, color=GREY, linewidth=0.8, linestyle="--")
    single.set(title="Single dimensions", xlabel="normal quantile", ylabel="quantile of the gap")
    single.plot([], [], "--", color="black", linewidth=0.8, label="Gaussian sample")
    single.fill_between([], [], color=GREY, alpha=LIGHT, linewidth=0, label="90 % of its dimensions")
    figure.legend(*single.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    skewness.set(title="Skewness", xlabel="skewness", ylabel="dimensions below (%)")
    kurtosis.set(title="Tails", xlabel="excess kurtosis", ylabel="dimensions below (%)")
    together.set(title="All together", xlabel="distance, Gaussian", ylabel="distance, gap")
    return figure


def _spectrum(reports: Reports) -> Any:
    figure, (single, summed) = plt.subplots(2, 1, figsize=(WIDTH, 3.6), sharex=True, layout="constrained")
    for label, report, line, _ in _styles(reports):
        for key, style in (("value", "-"), ("expected", "--")):
            shares = np.array(report["gap"]["curves"]["spectrum"][key])
            place = np.arange(1, len(shares) + 1)
            single.plot(place, 100 * shares, style, **line, label=label if key == "value" else None)
            summed.plot(place, 100 * np.cumsum(shares), style, **line)
    single.set_yscale("log")
    single.set_ylim(bottom=1e-3)
    single.set_ylabel("variance (%)")
    single.set_title("Share of the gap's variance per direction")
    single.plot([], [], "--", color="black", label="isotropic sample")
    single.plot([], [], ":", color=GREY, linewidth=0.8, label="90 %")
    single.legend()
    for tick in single.yaxis.get_major_ticks():
        tick.label1.set_parse_math(True)  # powers of 10
    summed.axhline(90, color=GREY, linewidth=0.8, linestyle=":")
    summed.set_ylabel("variance up to there (%)")
    summed.set_xlabel("principal direction")
    return figure


def _repairs(reports: Reports) -> Any:
    names = list(dict.fromkeys(name for report in reports.values() for name in report["repairs"]))
    figure, panels = plt.subplots(2, 2, figsize=(WIDTH, 4), sharey=True, layout="constrained")
    cosine, _, separable, mean = panels.flat
    measured: dict[str, Callable[[Any], float]] = {
        "Cosine to captions": lambda about: about["similarity"]["image, its own caption"]["mean"],
        "R@1 (%)": lambda about: 100 * about["retrieval"]["R@1"],
        "Separability (%)": lambda about: 100 * about["separability"],
        "Mean gap, norm": lambda about: about["gap"]["mean_norm"],
    }
    for number, (label, report, line, mark) in enumerate(_styles(reports)):
        place = np.arange(len(names)) + (number - (len(reports) - 1) / 2) * 0.3
        place = place[[name in report["repairs"] for name in names]]
        found = [report["repairs"][name] for name in names if name in report["repairs"]]
        style = {"color": line["color"], "markersize": 4, "linestyle": "none", "marker": mark}
        for axes, value in zip(panels.flat, measured.values(), strict=True):
            axes.plot([value(about) for about in found], place, **style, label=label)
        others = [about["similarity"]["image, a caption of another image"]["mean"] for about in found]
        cosine.plot(others, place, **style, fillstyle="none")
    for axes, title in zip(panels.flat, measured, strict=True):
        axes.set_title(title)
        axes.set_yticks(np.arange(len(names)), names)
        axes.grid(axis="y", linewidth=0.3)
    figure.suptitle("What each repair leaves of the gap")
    cosine.invert_yaxis()
    separable.axvline(50, color=GREY, linewidth=0.8, linestyle=":")
    mean.axvline(0, color=GREY, linewidth=0.8, linestyle=":", label="chance, no gap")
    for fill, label in (("full", "filled mark: to its own captions"), ("none", "open mark: to those of others")):
        mean.plot([], [], "o", color="black", markersize=4, fillstyle=fill, label=label)
    figure.legend(*mean.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _plane(reports: Reports) -> Any:
    """A row for each repair, a column for each data set; all panels of a column have the same axes."""
    names = list(dict.fromkeys(name for report in reports.values() for name in report["planes"]))
    figure, panels = plt.subplots(
        len(names), len(reports), squeeze=False, sharex="col", sharey="col", layout="constrained",
        figsize=(0.5 + PANEL[0] * max(2, len(reports)), 0.5 + PANEL[1] * len(names)),
    )  # fmt: skip
    for column, (label, report) in enumerate(reports.items()):
        for row, name in enumerate(names):
            axes = panels[row, column]
            for side, (colour, mark) in SIDES.items():
                if name not in report["planes"]:
                    continue
                points = np.array(report["planes"][name][side])
                axes.scatter(*points.T, s=3, color=colour, marker=mark, linewidths=0, alpha=0.5, rasterized=True)
                axes.plot(
                    *points.mean(axis=0), mark, color=colour, markeredgecolor="black", markersize=6,
                    label=f"{side}, and their mean" if row == column == 0 else None,
                )  # fmt: skip
            axes.tick_params(labelsize=6)
            if column == 0:
                axes.set_ylabel(name.replace(" and ", "\nand "))
        panels[0, column].set_title(label)
    figure.supxlabel("from the captions' mean to the images'", fontsize=7)
    figure.supylabel("principal direction at right angles", fontsize=7)
    title = "Images and captions in one plane, without and with each repair of the gap"
    bold = {"size": 8, "weight": "bold"}
    figure.legend(loc="outside upper center", ncols=len(SIDES), title=title, title_fontproperties=bold)
    return figure


FIGURES: dict[str, Callable[[Reports], Any]] = {
    "gap": _findings, "gap_similarity": _similarity, "gap_normality": _normality, "gap_spectrum": _spectrum,
    "gap_plane": _plane, "gap_repairs": _repairs,
}  # fmt: skip
