"""How one job runs, as one figure: from what is written by hand to what reads the records."""

import networkx as nx

from .graph import graph_figure

BOXES = {
    "config/*.yaml": "by hand", "workflow/rules/*.smk": "by hand", "graph/profile.py, files.py": "module",
    "plan of all jobs": "made", "maccap dvc sync": "command", "dvc.yaml": "made", "dvc repro": "command",
    "snakemake": "command", "maccap step NAME": "command", "steps/NAME.py": "module", "core/records.py": "module",
    "outputs": "made", "their record (.prov.json)": "made", "maccap trace, verify, crate": "command",
}  # fmt: skip
ARROWS = (
    ("config/*.yaml", "graph/profile.py, files.py", "plan of all jobs", "snakemake", "maccap step NAME"),
    ("workflow/rules/*.smk", "plan of all jobs", "maccap dvc sync", "dvc.yaml", "dvc repro", "snakemake"),
    ("maccap step NAME", "steps/NAME.py", "outputs", "core/records.py", "their record (.prov.json)"),
    ("outputs", "maccap trace, verify, crate"),
    ("their record (.prov.json)", "maccap trace, verify, crate"),
)


def architecture_figure() -> str:
    """The figure as SVG."""
    graph = nx.DiGraph()
    for name, group in BOXES.items():
        graph.add_node(name, group=group)
    for path in ARROWS:
        nx.add_path(graph, path)
    return graph_figure(graph)
