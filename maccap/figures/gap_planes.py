"""The figure of images and captions in one plane, before and after each repair."""

from __future__ import annotations

from typing import Any

import numpy as np

from .figures import plt

SIDES = {"images": ("#0072b2", "o"), "captions": ("#d55e00", "^")}
PANEL = (1.5, 1.0)  # inches


def plane_figure(reports: dict[str, dict[str, Any]]) -> Any:
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
                    label=side if row == column == 0 else None,
                )  # fmt: skip
            axes.tick_params(labelsize=6)
            if column == 0:
                axes.set_ylabel(name.replace(" and ", "\nand "))
        panels[0, column].set_title(label)
    figure.supxlabel("from the captions' mean to the images'", fontsize=7)
    figure.legend(loc="outside upper center", ncols=len(SIDES))
    return figure
