"""A chain as a layered picture: data and weights on the left, the traced file or number on the right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
from grandalf.graphs import Edge, Vertex, graph_core
from grandalf.layouts import SugiyamaLayout

matplotlib.use("Agg")
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from ..core.artifacts import write_figure
from .chain import CHANGED, MISSING, Chain, Job
from .text import folders, seeds_text

FACES = {"source": "#f6e8c3", "job": "#ffffff", "root": "#d9ecd9"}
LINES = {"source": "#bf9232", "job": "#7a828c"}
BAD = "#b3261e"
CHARACTER, LINE, PAD = 0.068, 0.155, 0.12  # inches, at 8 points
STYLE: Any = {"font.size": 8, "font.family": "DejaVu Sans Mono", "svg.hashsalt": "maccap"}


@dataclass
class Box:
    """A node; what grandalf calls a view: `w` and `h` in, `xy` (the centre) out. All in inches."""

    lines: list[str]
    kind: str
    bad: bool = False
    xy: tuple[float, float] = (0.0, 0.0)

    @property
    def w(self) -> float:  # of the layout, which runs from top to bottom and is turned by a quarter
        return LINE * len(self.lines) + 2 * PAD

    @property
    def h(self) -> float:
        return CHARACTER * max(map(len, self.lines)) + 2 * PAD

    @property
    def centre(self) -> tuple[float, float]:
        return self.xy[1], -self.xy[0]


def draw(chain: Chain, output: Path, title: str | None = None) -> None:
    """Write the picture of a chain as `.svg` or `.png`; equal chains give equal bytes."""
    boxes, edges = _nodes(chain, title)
    vertices = {name: Vertex(name) for name in boxes}
    for name, vertex in vertices.items():
        vertex.view = boxes[name]
    drawn = [Edge(vertices[a], vertices[b]) for a, b in edges]
    for edge in drawn:
        edge.view = _Route()
    layout = SugiyamaLayout(graph_core(list(vertices.values()), drawn))
    layout.xspace, layout.yspace = 0.16, 0.7
    layout.dw = layout.dh = 0.02  # of the points through which edges pass a layer
    layout.init_all(optimize=True)
    layout.draw(8)
    _paint(list(boxes.values()), [(edge.v[0].view.kind, _route(edge)) for edge in drawn], output)


class _Route:
    """What grandalf calls the view of an edge."""

    def setpath(self, points: list[tuple[float, float]]) -> None:
        self.points = points


def _nodes(chain: Chain, title: str | None) -> tuple[dict[str, Box], list[tuple[str, str]]]:
    """A box per job and per folder of sources, and the edges from what was read to who read it."""
    boxes: dict[str, Box] = {}
    edges: list[tuple[str, str]] = []
    for job in chain.jobs:
        boxes[str(job.number)] = Box(list(_job_lines(job)), "job", _is_bad(chain, job.made))
    for job in chain.jobs:
        edges += [(str(maker.number), str(job.number)) for maker in chain.makers(job)]
        for folder, names in folders(name for name in job.reads if chain.artifacts[name].job is None).items():
            paths = [os.path.join(folder, name) for name in names]
            boxes.setdefault(folder, Box([_short(folder), _files(names)], "source", _is_bad(chain, paths)))
            edges.append((folder, str(job.number)))
    boxes["root"] = Box([title, *chain.roots] if title else chain.roots, "root", bool(chain.faults))
    return boxes, [*edges, ("1", "root")]


def _job_lines(job: Job) -> Iterator[str]:
    yield f"[{job.number}] {job.record.step}"
    places = list(folders(job.made).items())
    yield from (f"{_short(folder)}: {_files(names)}" for folder, names in places[:3])
    if len(places) > 3:
        yield f"and {len(places) - 3} more folders"
    if seeds := seeds_text(job):
        yield seeds


def _short(folder: str) -> str:
    """The end of a folder's path, from where the kind of artifact stands."""
    return "/".join(Path(folder).parts[-4:])


def _files(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} files"


def _is_bad(chain: Chain, names: list[str]) -> bool:
    return any(chain.artifacts[name].state in (CHANGED, MISSING) for name in names if name in chain.artifacts)


def _route(edge: Any) -> list[tuple[float, float]]:
    """From the right side of one box through the layers between to the left side of the other."""
    start, end = edge.v[0].view, edge.v[1].view
    first = (start.centre[0] + start.h / 2, start.centre[1])
    last = (end.centre[0] - end.h / 2, end.centre[1])
    return [first, *((y, -x) for x, y in edge.view.points[1:-1]), last]


def _paint(boxes: list[Box], routes: list[tuple[str, list[tuple[float, float]]]], output: Path) -> None:
    with matplotlib.rc_context(STYLE):
        left = min(box.centre[0] - box.h / 2 for box in boxes) - 0.1
        right = max(box.centre[0] + box.h / 2 for box in boxes) + 0.1
        heights = [y for _, points in routes for _, y in points]
        low = min([*heights, *(box.centre[1] - box.w / 2 for box in boxes)]) - 0.1
        high = max([*heights, *(box.centre[1] + box.w / 2 for box in boxes)]) + 0.1
        figure = Figure(figsize=(right - left, high - low), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(left, right), ylim=(low, high))
        axes.axis("off")
        for kind, points in routes:
            axes.add_patch(PathPatch(_curve(points), facecolor="none", edgecolor=LINES[kind], linewidth=0.9, zorder=1))
        for box in boxes:
            x, y = box.centre
            corner = (x - box.h / 2, y - box.w / 2)
            edge = BAD if box.bad else "#3b4148"
            style = f"round,pad=0,rounding_size={0.12 if box.kind == 'source' else 0.03}"
            axes.add_patch(
                FancyBboxPatch(
                    corner, box.h, box.w, boxstyle=style, facecolor=FACES[box.kind], edgecolor=edge,
                    linewidth=2 if box.bad else 0.9, zorder=2,
                )
            )  # fmt: skip
            for i, line in enumerate(box.lines):
                place = (corner[0] + PAD, corner[1] + box.w - PAD - LINE * (i + 0.5))
                weight = "bold" if not i else "normal"
                axes.text(*place, line, va="center", ha="left", weight=weight, zorder=3)
        write_figure(output, figure)


def _curve(points: list[tuple[float, float]]) -> Curve:
    """Smooth pieces that leave and enter every point horizontally."""
    vertices, codes = [points[0]], [Curve.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Curve.CURVE4] * 3
    return Curve(vertices, codes)
