"""The method as one figure: training on the left, inference on the right, what both share across."""

from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt

from ..core.settings import GenerationSettings, SelectionSettings, TrainingSettings
from .figures import STYLE, canvas, svg

# Inches; y grows downwards.
WIDTH, HEIGHT, LEFT, RIGHT, NARROW, WIDE = 6.8, 8.2, 1.75, 5.05, 2.9, 6.2
FROZEN, LEARNS, PLAIN = "#d6e6f5", "#fbd9b5", "white"
Ends = tuple[float, float]
CAPTION = "“A large red boat to the\nleft of two white stars.”"


def method_figure() -> str:
    """The figure as SVG; how many copies, draws and subregions it tells of are the defaults, as released."""
    copies, draws, subregions = TrainingSettings().copies, SelectionSettings().draws, GenerationSettings().subregions
    with plt.rc_context(STYLE):
        figure, axes = canvas(WIDTH, HEIGHT)
        for x, heading in ((LEFT, "Training, on text alone"), (RIGHT, "Inference, on an image")):
            axes.text(x, 0.25, heading, ha="center", va="center", size=13, weight="bold")
        shared = [
            _box(axes, WIDTH / 2, 5.1, "adaptor: queries read the features, and become soft tokens", LEARNS, WIDE),
            _box(axes, WIDTH / 2, 6.0, "language model continues the soft tokens", FROZEN, WIDE),
        ]
        training = [
            _box(axes, LEFT, 1.1, "a caption:\n" + CAPTION),
            _box(axes, LEFT, 2.25, "CLIP text encoder", FROZEN),
            _box(axes, LEFT, 3.3, "text embedding"),
            _box(axes, LEFT, 4.2, f"{copies} noisy copies"),
            *shared,
            _box(axes, LEFT, 6.9, "the same caption, rebuilt"),
        ]
        inference = [
            _image(axes, RIGHT, 1.1, subregions),
            _box(axes, RIGHT, 2.25, "CLIP image encoder", FROZEN),
            _box(axes, RIGHT, 3.3, f"{subregions} features, each: global\n+ weight × a subregion"),
            _box(axes, RIGHT, 4.2, f"{draws} times: noise on all {subregions}"),
            *shared,
            _box(axes, RIGHT, 6.9, f"{draws} captions"),
            _box(axes, RIGHT, 7.75, "CLIP chooses the one\nnearest to the image", FROZEN),
        ]
        for x, column in ((LEFT, training), (RIGHT, inference)):
            for (_, bottom), (top, _) in pairwise(column):
                _arrow(axes, (x, bottom), (x, top))
        edge, outside = RIGHT + NARROW / 2, WIDTH - 0.14
        axes.plot((edge, outside, outside), (2.25, 2.25, 7.75), color="0.3", lw=1)
        _arrow(axes, (outside, 7.75), (edge, 7.75))
        axes.text(outside - 0.06, 4.65, "global feature", ha="right", va="center", size=10, color="0.3")
        axes.plot((0.3, 0.14, 0.14), (6.9, 6.9, 5.1), color="#c05a00", ls="--")
        _arrow(axes, (0.14, 5.1), (0.3, 5.1), color="#c05a00")
        axes.text(
            0.3, 7.38, "the loss, against the caption,\nteaches the adaptor", color="#c05a00", va="center", size=11
        )
        for x, colour, meaning in ((0.4, FROZEN, "frozen"), (1.4, LEARNS, "learns"), (2.4, PLAIN, "data")):
            axes.add_patch(plt.Rectangle((x, 7.8), 0.22, 0.22, fc=colour, ec="0.3"))
            axes.text(x + 0.32, 7.91, meaning, va="center", size=11)
        return svg(figure)


def _box(axes: Any, x: float, y: float, text: str, colour: str = PLAIN, width: float = NARROW) -> Ends:
    """A box around text, centred; return where it begins and ends from above."""
    height = 0.28 + 0.22 * len(text.splitlines())
    axes.add_patch(plt.Rectangle((x - width / 2, y - height / 2), width, height, fc=colour, ec="0.3"))
    axes.text(x, y, text, ha="center", va="center", size=12, linespacing=1.2)
    return y - height / 2, y + height / 2


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], color: str = "0.3") -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0})


def _image(axes: Any, x: float, y: float, attended: int) -> Ends:
    """An image as CLIP sees it: patches, of which it attends to some; return as `_box` does."""
    side, patches = 0.26, [(row, column) for row in range(5) for column in range(5)]
    nearest = sorted(patches, key=lambda place: abs(place[0] - 2.2) + abs(place[1] - 1.7))[:attended]
    for row, column in patches:
        colour = "#fff2a8" if (row, column) in nearest else "0.92"
        corner = x + (column - 2.5) * side, y + (row - 2.5) * side
        axes.add_patch(plt.Rectangle(corner, side, side, fc=colour, ec="0.6", lw=0.7))
    axes.text(x + 0.72, y, "an image;\nyellow: what\nCLIP attends\nto most", va="center", size=10, color="0.3")
    return y - 2.5 * side, y + 2.5 * side
