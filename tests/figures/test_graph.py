"""The layout of the figure of rules, on small graphs: layers, lines that cross little, and room between boxes."""

from itertools import combinations, pairwise, permutations, product

import networkx as nx
import pytest

from maccap.figures.graph import WIDTH, graph_figure, layered, places

GRAPHS = {
    "short cuts": "ab ac be cd ae df bf",
    "crossed": "ad be cf ae bd cg fh dh",
    "wide": "ab ac ad ae bf ef cf df ag gf",
}


@pytest.fixture(params=GRAPHS)
def graph(request):
    return nx.DiGraph([tuple(edge) for edge in GRAPHS[request.param].split()])


def crossings(layers, steps):
    place = {name: (row, at) for row, layer in enumerate(layers) for at, name in enumerate(layer)}
    ends = [(*place[above], place[below][1]) for above, below in steps]
    return sum(a == d and (b - e) * (c - f) < 0 for (a, b, c), (d, e, f) in combinations(ends, 2))


def test_lines_go_down_layer_by_layer_and_cross_no_more_than_in_the_best_of_all_orders(graph):
    layers, lines = layered(graph)
    row = {name: at for at, layer in enumerate(layers) for name in layer}
    assert set(lines) == set(graph.edges)
    for (above, below), line in lines.items():
        assert (line[0], line[-1]) == (above, below)
        assert [row[name] for name in line] == list(range(row[above], row[below] + 1))
    steps = [step for line in lines.values() for step in pairwise(line)]
    best = min(crossings(orders, steps) for orders in product(*(list(permutations(layer)) for layer in layers)))
    assert crossings(layers, steps) == best


def test_boxes_stay_apart_and_in_the_figure(graph):
    graph = nx.relabel_nodes(graph, {name: name * 9 for name in graph})  # as long as `captions_figure`, or nearly
    layers, lines = layered(graph)
    x = places(layers, lines)
    for layer in layers:
        edges = [(x[name] - half, x[name] + half) for name in layer for half in [0.45 if isinstance(name, str) else 0]]
        assert all(left >= 0 and right <= WIDTH for left, right in edges)
        assert all(after - before > 0.1 for (_, before), (after, _) in pairwise(edges))


def test_the_same_graph_gives_the_same_bytes(graph):
    nx.set_node_attributes(graph, "one", "group")
    assert graph_figure(graph) == graph_figure(graph)
