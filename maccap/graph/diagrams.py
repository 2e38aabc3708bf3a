"""The diagrams of docs/, made by `make diagrams`: the method, and the rules of the workflow in the order of its files.

An SVG keeps the text of its diagram, by which a test finds one that is stale whatever the version of matplotlib.
"""

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..core.artifacts import atomic
from ..core.project import default_profile
from ..figures.figures import STYLE, plt
from .snakemake_graph import Graph, read_graph

METHOD, WORKFLOW = Path("docs/method.svg"), Path("docs/workflow.svg")
DATA, FROZEN, LEARNS, RULE = "#ffffff", "#d6e6f5", "#fbd9b5", "#eef1f4"
STAGES = {  # files of workflow/rules, from the top to the bottom of the diagram
    "data": "data", "features": "features", "train": "training", "predict": "captions\nand answers",
    "evaluate": "metrics", "results": "tables\nand figures", "report": "report",
}  # fmt: skip
LEFT, WIDTH, STEP, HEIGHT, BAND = 1.3, 1.5, 0.78, 0.34, 0.12  # inches: titles, a rule's place, a row, a box, a gap


@dataclass(frozen=True)
class Box:
    """A text in a box around (x, y), in inches, y downwards; one without a colour has no frame."""

    x: float
    y: float
    width: float
    height: float
    text: str
    colour: str = ""


@dataclass(frozen=True)
class Diagram:
    """Boxes by name, and arrows, each over the names of its boxes, from the bottom of one to the top of the next."""

    size: tuple[float, float]
    boxes: dict[str, Box]
    arrows: list[tuple[str, ...]]

    @property
    def text(self) -> str:
        """All that is drawn."""
        boxes = [f"{name} {astuple(box)}" for name, box in self.boxes.items()]
        return "; ".join([str(self.size), *boxes, *map(" > ".join, self.arrows)])


def method_diagram() -> Diagram:
    """Training on the left, inference on the right, and between them what both share."""
    left, right, one, both = 1.75, 5.45, 2.9, 6.6
    rows = [0.25 + 0.66 * number for number in range(11)]
    boxes = {
        "training": Box(left, rows[0], one, 0.3, "Training, on text alone"),
        "inference": Box(right, rows[0], one, 0.3, "Inference, on an image"),
        "caption": Box(left, rows[1], one, 0.42, "caption", DATA),
        "image": Box(right, rows[1], one, 0.42, "image", DATA),
        "text encoder": Box(left, rows[2], one, 0.42, "CLIP text encoder", FROZEN),
        "image encoder": Box(right, rows[2], one, 0.42, "CLIP image encoder", FROZEN),
        "embedding": Box(left, rows[3], one, 0.42, "text embedding", DATA),
        "global": Box(right - 0.9, rows[3], 1.3, 0.42, "global feature", DATA),
        "subregions": Box(right + 0.75, rows[3], 1.6, 0.42, "subregion features", DATA),
        "fusion": Box(right, rows[4], one, 0.42, "fusion: global + weight × subregion", DATA),
        "copies": Box(left, rows[5], one, 0.42, "noisy copies", DATA),
        "draws": Box(right, rows[5], one, 0.42, "noise draws", DATA),
        "adaptor": Box(3.6, rows[6], both, 0.42, "adaptor: queries read the features in a Transformer decoder", LEARNS),
        "soft tokens": Box(3.6, rows[7], both, 0.42, "soft tokens", DATA),
        "model": Box(3.6, rows[8], both, 0.42, "language model", FROZEN),
        "loss": Box(left, rows[9], one, 0.42, "the caption, rebuilt (loss)", DATA),
        "candidates": Box(right, rows[9], one, 0.42, "candidates, one of each draw", DATA),
        "choice": Box(right, rows[10], one, 0.42, "CLIP chooses the nearest to the image", FROZEN),
        "frozen": Box(0.85, rows[10], 0.8, 0.3, "frozen", FROZEN),
        "learns": Box(1.75, rows[10], 0.8, 0.3, "learns", LEARNS),
        "computed": Box(2.65, rows[10], 0.8, 0.3, "data", DATA),
    }
    lanes = (
        "caption > text encoder > embedding > copies > adaptor", "image > image encoder > global > fusion > draws",
        "image encoder > subregions > fusion", "draws > adaptor > soft tokens > model > loss",
        "model > candidates > choice",
    )  # fmt: skip
    arrows: list[tuple[str, ...]] = [pair for lane in lanes for pair in pairwise(lane.split(" > "))]
    return Diagram((7.2, rows[-1] + 0.35), boxes, arrows)


def rule_edges(graph: Graph) -> set[tuple[str, str]]:
    """Which rules read what which others made."""
    made = {job.provenance: job.rule for job in graph.jobs}
    edges = {(made[above], job.rule) for job in graph.jobs for above in job.upstream}
    return {(a, b) for a, b in edges if a != b}


def workflow_diagram(edges: set[tuple[str, str]], files: Iterable[Path]) -> Diagram:
    """A band for each file of rules, in which rules stand below those that they read from.

    An arrow that says no more than a way over other rules is left out. One over several rows has a place in each, so
    that it crosses no box; arrows from one rule share it.
    """
    below: dict[str, set[str]] = {rule: {b for a, b in edges if a == rule} for edge in edges for rule in edge}
    stages = {
        rule: list(STAGES).index(path.stem)
        for path in files
        for rule in re.findall(r"^rule (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
        if rule in below
    }

    @cache
    def reached(rule: str) -> set[str]:
        return below[rule].union(*map(reached, below[rule]))

    @cache
    def row(rule: str) -> tuple[int, int]:
        """Its band, and its place below others of its band."""
        own = [row(a)[1] for a, b in edges if b == rule and stages[a] == stages[rule]]
        return stages[rule], 1 + max(own, default=-1)

    levels = sorted(set(map(row, below)))
    rows = [sorted(rule for rule in below if row(rule) == level) for level in levels]
    arrows = []
    for above, rule in sorted(edges):
        if not any(rule in reached(other) for other in below[above]):
            between = range(levels.index(row(above)) + 1, levels.index(row(rule)))
            arrows.append((above, *(f"{above}/{number}" for number in between), rule))
            for number in between:
                rows[number] += [name for name in [f"{above}/{number}"] if name not in rows[number]]
    place = _places(rows, [pair for arrow in arrows for pair in pairwise(arrow)])
    ys = [STEP * number + BAND * stage + 0.5 for number, (stage, _) in enumerate(levels)]
    size = max(place.values()) + WIDTH / 2 + 0.2
    boxes = {}
    for stage, title in enumerate(STAGES.values()):
        own = [y for y, level in zip(ys, levels, strict=True) if level[0] == stage]
        if own:
            middle, height = (own[0] + own[-1]) / 2, own[-1] - own[0] + STEP
            boxes[f"band {title}"] = Box((size + LEFT) / 2, middle, size - LEFT - 0.1, height, "", "#f4f4ef")
            boxes[f"title {title}"] = Box(LEFT / 2, middle, LEFT, height, title)
    for names, y in zip(rows, ys, strict=True):
        for name in names:
            passed = "/" in name  # by an arrow
            text, colour = ("", "") if passed else (name.replace("_", " "), RULE)
            boxes[name] = Box(place[name], y, 0 if passed else WIDTH - 0.2, HEIGHT, text, colour)
    return Diagram((size, ys[-1] + 0.5), boxes, arrows)


def _places(rows: list[list[str]], links: list[tuple[str, str]]) -> dict[str, float]:
    """x of everything in the rows, each put near what it is linked with in the rows beside."""
    width = {name: 0.25 if "/" in name else WIDTH for row in rows for name in row}
    middle = LEFT + max(sum(width[name] for name in row) for row in rows) / 2
    place: dict[str, float] = {}
    linked: dict[str, list[str]] = {name: [] for name in width}
    for above, below in links:
        linked[above].append(below)
        linked[below].append(above)

    def near(name: str) -> float:
        found = [place[other] for other in linked[name] if other in place]
        return sum(found) / len(found) if found else middle

    for row in [*rows, *(rows[::-1] + rows) * 6]:
        row.sort(key=near)
        x = middle - sum(width[name] for name in row) / 2
        for name in row:
            place[name] = x + width[name] / 2
            x += width[name]
    return place


def draw(diagram: Diagram, path: Path) -> None:
    """Draw a diagram as SVG; equal diagrams have equal bytes."""
    width, height = diagram.size
    with plt.rc_context(STYLE | {"svg.fonttype": "path"}):
        figure = plt.figure(figsize=diagram.size, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        for box in diagram.boxes.values():
            _box(axes, box)
        for arrow in diagram.arrows:
            for above, below in pairwise(arrow):
                _arrow(axes, diagram.boxes[above], diagram.boxes[below])
        with atomic(path) as part:
            figure.savefig(part, format="svg", metadata={"Date": None, "Description": diagram.text})
        plt.close(figure)


def _box(axes: Any, box: Box) -> None:
    if box.colour:
        corner = box.x - box.width / 2, box.y - box.height / 2
        line = "0.35" if box.text else "none"
        axes.add_patch(
            plt.Rectangle(corner, box.width, box.height, facecolor=box.colour, edgecolor=line, linewidth=0.8)
        )
    axes.text(box.x, box.y, box.text, ha="center", va="center", zorder=4, weight="normal" if box.colour else "bold")


def _arrow(axes: Any, above: Box, below: Box) -> None:
    """A line, with a head where it ends in a box; where one box is far wider, straight above the other."""
    low = max(box.x - box.width / 2 for box in (above, below))
    high = min(box.x + box.width / 2 for box in (above, below))
    ends = [(above.x, above.y + above.height / 2), (below.x, below.y - below.height / 2)]
    if below.colour and above.colour and below.width != above.width and low < high:
        ends = [((low + high) / 2, y) for _, y in ends]
    style = {"color": "0.45", "linewidth": 0.9}
    if below.colour:
        axes.annotate("", ends[1], ends[0], arrowprops=style | {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0})
    else:
        axes.plot(*zip(*ends, (below.x, below.y + below.height / 2), strict=True), **style, solid_joinstyle="round")


def diagrams() -> dict[Path, Diagram]:
    """Every diagram by its file; the rules are those of the default profile.

    Raises:
        ConfigError: Snakemake cannot plan.
        EnvironmentProblem: the current folder is not the project's.
    """
    edges = rule_edges(read_graph(default_profile()))
    return {METHOD: method_diagram(), WORKFLOW: workflow_diagram(edges, Path("workflow/rules").glob("*.smk"))}


def main() -> None:
    for path, diagram in diagrams().items():
        draw(diagram, path)


if __name__ == "__main__":
    main()
