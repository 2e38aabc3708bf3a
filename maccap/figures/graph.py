"""A graph as one figure, from top to bottom: boxes in layers, and an arrow for each edge."""

from itertools import accumulate, pairwise
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from .figures import STYLE, canvas, svg

# Inches; y grows downwards.
WIDTH, ROW, HEIGHT, LETTER, MARGIN, APART = 7.2, 0.78, 0.34, 0.089, 0.2, 0.16
SWEEPS = 24
FILLS = ("#d6e6f5", "#fbd9b5", "#d9ead3", "#ead1dc", "#fff2cc", "#d9d2e9", "#d0e0e3", "#f4cccc")


def graph_figure(graph: Any) -> str:
    """A graph as SVG; each box and arrow has the names of its nodes as id (`train`, `train->predict`).

    Args:
        graph: acyclic DiGraph; a node's `group` decides the colour of its box, and stands in the legend.
    """
    layers, lines = layered(graph)
    x = places(layers, lines)
    y = {name: 0.3 + ROW * row for row, layer in enumerate(layers) for name in layer}
    groups = dict(zip(dict.fromkeys(nx.get_node_attributes(graph, "group").values()), FILLS, strict=False))
    height = ROW * len(layers) + 0.45
    with plt.rc_context(STYLE):
        figure, axes = canvas(WIDTH, height)
        for (above, below), line in lines.items():
            points = [(x[name], y[name]) for name in line]
            axes.add_patch(_arrow(points, f"{above}->{below}"))
        for name, about in graph.nodes(data=True):
            corner = x[name] - _width(name) / 2, y[name] - HEIGHT / 2
            axes.add_patch(plt.Rectangle(corner, _width(name), HEIGHT, fc=groups[about["group"]], ec="0.3", gid=name))
            axes.text(x[name], y[name], name, ha="center", va="center", size=11)
        for at, (group, colour) in enumerate(groups.items()):
            left = 0.15 + at * (WIDTH - 0.2) / len(groups)
            axes.add_patch(plt.Rectangle((left, height - 0.3), 0.18, 0.18, fc=colour, ec="0.3"))
            axes.text(left + 0.24, height - 0.21, group, va="center", size=10)
        return svg(figure)


def layered(graph: Any) -> tuple[list[list[Any]], dict[tuple[str, str], list[Any]]]:
    """Layers of the boxes, each in the order in which fewest lines cross, and the line of each arrow.

    A line that passes layers has a place of its own in each, a tuple in place of a name.
    """
    level = {name: row for row, names in enumerate(nx.topological_generations(graph)) for name in names}
    layers: list[list[Any]] = [[name for name in graph if level[name] == row] for row in range(max(level.values()) + 1)]
    lines = {}
    for above, below in graph.edges:
        passed = [(above, below, row) for row in range(level[above] + 1, level[below])]
        for place in passed:
            layers[place[2]].append(place)
        lines[above, below] = [above, *passed, below]
    steps = [step for line in lines.values() for step in pairwise(line)]
    best = [list(layer) for layer in layers]
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in range(len(layers)) if down else reversed(range(len(layers))):
            order = {name: at for layer in layers for at, name in enumerate(layer)}
            near: dict[Any, list[int]] = {name: [] for name in layers[row]}
            for above, below in steps:
                inner, outer = (below, above) if down else (above, below)
                if inner in near:
                    near[inner].append(order[outer])
            means = {name: sum(found) / len(found) if found else order[name] for name, found in near.items()}
            layers[row].sort(key=means.__getitem__)
        if _crossings(layers, steps) < _crossings(best, steps):
            best = [list(layer) for layer in layers]
    while any(_swapped(layer, best, steps) for layer in best):
        pass
    return best, lines


def _swapped(layer: list[Any], layers: list[list[Any]], steps: list[tuple[Any, Any]]) -> bool:
    """Exchange two neighbours of a layer if fewer lines cross then; whether any were."""
    for at in range(len(layer) - 1):
        before = _crossings(layers, steps)
        layer[at : at + 2] = layer[at + 1], layer[at]
        if _crossings(layers, steps) < before:
            return True
        layer[at : at + 2] = layer[at + 1], layer[at]
    return False


def _crossings(layers: list[list[Any]], steps: list[tuple[Any, Any]]) -> int:
    place = {name: (row, at) for row, layer in enumerate(layers) for at, name in enumerate(layer)}
    ends = [(place[above], place[below]) for above, below in steps]
    return sum(
        a[0] == c[0] and (a[1] - c[1]) * (b[1] - d[1]) < 0 for at, (a, b) in enumerate(ends) for c, d in ends[:at]
    )


def places(layers: list[list[Any]], lines: dict[tuple[str, str], list[Any]]) -> dict[Any, float]:
    """How far from the left each place is: near what it is joined with, in its layer's order, and apart."""
    near: dict[Any, list[Any]] = {name: [] for layer in layers for name in layer}
    for above, below in (step for line in lines.values() for step in pairwise(line)):
        near[above].append(below)
        near[below].append(above)
    x = {name: WIDTH * (at + 1) / (len(layer) + 1) for layer in layers for at, name in enumerate(layer)}
    for _ in range(4 * SWEEPS):
        for layer in layers:
            gaps = [(_width(a) + _width(b)) / 2 + APART for a, b in pairwise(layer)]
            offsets = list(accumulate(gaps, initial=0.0))  # of each from the first, all as near as they may be
            first = MARGIN + _width(layer[0]) / 2
            last = WIDTH - MARGIN - _width(layer[-1]) / 2 - offsets[-1]
            means = (
                sum(x[other] for other in near[name]) / len(near[name]) if near[name] else x[name] for name in layer
            )
            wanted = [min(max(mean - offset, first), last) for mean, offset in zip(means, offsets, strict=True)]
            rising = zip(accumulate(wanted, max), reversed(list(accumulate(reversed(wanted), min))), strict=True)
            x |= {name: sum(pair) / 2 + offset for name, pair, offset in zip(layer, rising, offsets, strict=True)}
    return x


def _width(name: Any) -> float:
    return 0.2 + LETTER * len(name) if isinstance(name, str) else 0.0


def _arrow(points: list[tuple[float, float]], names: str) -> Any:
    """A smooth line through points, upright at each, from below the first box to the top of the last."""
    (first, top), (last, bottom) = points[0], points[-1]
    points = [(first, top + HEIGHT / 2), *points[1:-1], (last, bottom - HEIGHT / 2)]
    vertices, codes = [points[0]], [Path.MOVETO]
    for (a, b), (c, d) in pairwise(points):
        middle = (b + d) / 2
        vertices += [(a, middle), (c, middle), (c, d)]
        codes += [Path.CURVE4] * 3
    return FancyArrowPatch(
        path=Path(vertices, codes), arrowstyle="-|>", mutation_scale=9, color="0.35", lw=0.9, gid=names
    )
