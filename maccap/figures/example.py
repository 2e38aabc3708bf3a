"""One test image with MacCap at work: attended patches, candidates with CLIP's scores, the choice, and references."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from .figures import COLOURS, STYLE, save

# Inches: the figure, the image, where the words beside it begin, and how far those below a number are indented.
WIDTH, LEFT, TOP, SIDE, RIGHT, INDENT = 6.8, 0.05, 0.4, 3.3, 3.6, 0.27


def example_figure(images: Sequence[dict[str, Any]], dataset: str, ours: Sequence[str], outputs: list[Path]) -> None:
    """Draw one of a data set's images in `samples.json`: of those drawn at random the median by MacCap's CIDEr.

    Of two in the middle, the lower; of all, if none was drawn at random. `ours`: labels of experiments with MacCap.
    """
    cider = {own["image_id"]: next(row["score"] for row in own["captions"] if row["label"] in ours) for own in images}
    drawn = [sample for sample in images if sample["drawn"]]
    ranked = sorted(drawn or images, key=lambda sample: cider[sample["image_id"]])
    sample = ranked[(len(ranked) - 1) // 2]
    which = f"Test image {sample['image_id']} of {dataset}: the median by CIDEr ({cider[sample['image_id']]:.1f}) of "
    how = f"the {len(ranked)} that were drawn at random for samples.html." if drawn else f"{len(ranked)} images."
    candidates = sorted(sample["candidates"], key=lambda row: (not row["chosen"], -row["score"]))[:5]
    references = [f"“{text}”" for text in dict.fromkeys(sample["references"])][:3]
    chosen: dict[str, Any] = {"weight": "bold", "color": COLOURS[0]}
    with plt.rc_context(STYLE):
        figure = plt.figure()
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        _heading(axes, LEFT, 0.12, "1", "CLIP attends to some parts of the image (framed; the rest is dimmed).")
        _image(axes, sample)
        about = [*wrap(which + how, 42), "", "References, for comparison:"]
        told = [*about, *(line for text in references for line in wrap(text, 42))]
        _lines(axes, RIGHT, TOP + 0.1, told, 0.21, size=9.5, color="0.4")
        y = TOP + SIDE + 0.35
        _heading(axes, LEFT, y, "2", "Each draw of noise on the image's features gives a caption. CLIP scores it.")
        y, best = y + 0.36, max(candidates[0]["score"], 1e-9)
        for row in candidates:
            style = {"size": 10.5} | (chosen if row["chosen"] else {"color": "0.4"})
            axes.barh(y, 0.5 * max(row["score"], 0.0) / best, 0.14, left=LEFT + INDENT, color=style["color"])
            _lines(axes, LEFT + 0.85, y, [f"{row['score']:.3f}"], **style)
            y = 0.3 + _lines(axes, LEFT + 1.42, y, wrap(row["text"], 60), 0.2, **style)
        _heading(axes, LEFT, y + 0.14, "3", "CLIP chooses the candidate nearest to the image.")
        y = 0.25 + _lines(axes, LEFT + INDENT, y + 0.5, wrap(candidates[0]["text"], 58), 0.25, size=12, **chosen)
        axes.set(xlim=(0, WIDTH), ylim=(y, 0))
        figure.set_size_inches(WIDTH, y)
        save(figure, outputs)


def _lines(axes: Any, x: float, y: float, lines: Sequence[str], step: float = 0.0, **style: Any) -> float:
    """Write lines, the first centred at y; return the centre of the last."""
    for number, line in enumerate(lines):
        axes.text(x, y + number * step, line, va="center", **style)
    return y + (len(lines) - 1) * step


def _heading(axes: Any, x: float, y: float, number: str, text: str) -> None:
    badge = {"boxstyle": "circle,pad=0.2", "facecolor": "0.25", "edgecolor": "none"}
    _lines(axes, x + 0.09, y, [number], size=9, weight="bold", color="white", ha="center", bbox=badge)
    _lines(axes, x + INDENT, y, [text], size=10.5, color="0.15")


def _image(axes: Any, sample: dict[str, Any]) -> None:
    """The image, darker but for its attended patches."""
    grid, cell = sample["grid"], SIDE / sample["grid"]
    shade = np.full((grid, grid, 4), (0.0, 0.0, 0.0, 0.3))
    for patch in sample["patches"]:
        shade[patch["row"], patch["column"], 3] = 0.0
        corner = LEFT + cell * patch["column"], TOP + cell * patch["row"]
        axes.add_patch(plt.Rectangle(corner, cell, cell, fill=False, edgecolor="white", linewidth=1.6))
    for layer in (Image.open(io.BytesIO(base64.b64decode(sample["image"].partition(",")[2]))), shade):
        axes.imshow(layer, extent=(LEFT, LEFT + SIDE, TOP + SIDE, TOP), aspect="auto", interpolation="nearest")
