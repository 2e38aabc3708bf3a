"""docs/rules.md and its figure: the rules of the default profile, from Snakemake's own plan."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

from ..core.project import default_profile, own
from ..figures.graph import graph_figure
from .snakemake_graph import GraphJob, read_graph

ENDS = ("report", "manifest")  # which read what all others make for a reader
PAGE = """# The workflow's rules

[![The rules of the profile {profile}: an arrow where one reads another](rules.svg)](rules.svg)

The rules of the profile `{profile}`; the colour says which file of `workflow/rules/` has a rule. An arrow means "is
read by". It is left out where others lead the same way: `evaluate` reads captions, too. `report` and `manifest` are not
drawn: they read all that is made for a reader. Other profiles have more rules, such as those that download. `maccap
docs` makes this page and the figure from Snakemake's plan and the steps' descriptions.

| rule | step | what it does |
|---|---|---|
{steps}
"""


def rules_page() -> str:
    """The page.

    Raises:
        ConfigError: Snakemake cannot plan.
    """
    steps = dict.fromkeys(f"| {job.rule} | `{job.step}` | {_described(job.step)} |" for job in _jobs())
    return PAGE.format(profile=default_profile(), steps="\n".join(steps))


def rules_svg() -> str:
    """Its figure; raises as `rules_page` does."""
    return graph_figure(rules_graph())


def rules_graph() -> Any:
    """Rules as a DiGraph from each to those that read it, but for short cuts and `ENDS`; `group` is their file.

    Raises:
        ConfigError: Snakemake cannot plan.
    """
    import networkx as nx

    rule = {job.provenance: job.rule for job in _jobs()}
    reads = nx.DiGraph()
    for job in _jobs():
        reads.add_node(job.rule, group=job.file)
        reads.add_edges_from((rule[above], job.rule) for above in job.upstream if rule[above] != job.rule)
    graph = nx.DiGraph()
    graph.add_nodes_from(reads.nodes(data=True))
    graph.add_edges_from(sorted(nx.transitive_reduction(reads).edges))
    graph.remove_nodes_from(ENDS)
    return graph


@cache
def _jobs() -> list[GraphJob]:
    return read_graph(default_profile()).jobs


def _described(step: str) -> str:
    """The first sentence of a step's module."""
    text = ast.get_docstring(ast.parse(Path(own(f"maccap/steps/{step}.py")).read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("->", "→")
