"""docs/rules.md: the rules of the default profile as a diagram and a table, from Snakemake's own plan."""

import ast
from pathlib import Path

from ..core.project import default_profile, own
from .snakemake_graph import read_graph

PAGE = """# The workflow's rules

The rules of the profile `{profile}`, in a box for each file of `workflow/rules/` that has them. An arrow means "is
read by". It is left out where others lead the same way: the report reads every table, too. Other profiles have more
rules, such as those that download. `maccap docs` writes this page from Snakemake's plan and the steps' descriptions.

```mermaid
flowchart TB
{lines}
```

| rule | step | what it does |
|---|---|---|
{steps}
"""


def rules_page() -> str:
    """The page.

    Raises:
        ConfigError: Snakemake cannot plan.
    """
    import networkx as nx

    profile = default_profile()
    jobs = read_graph(profile).jobs
    rule = {job.provenance: job.rule for job in jobs}
    reads = nx.DiGraph()
    reads.add_nodes_from(rule.values())
    reads.add_edges_from((rule[above], job.rule) for job in jobs for above in job.upstream if rule[above] != job.rule)
    boxes: dict[str, dict[str, None]] = {}
    for job in jobs:
        boxes.setdefault(job.file, {})[job.rule] = None
    lines = []
    for box, rules in boxes.items():
        lines += [f"  subgraph {box}", *(f"    {name}_rule[{name}]" for name in rules), "  end"]
    for name, below in nx.transitive_reduction(reads).adjacency():
        if below:
            lines.append(f"  {name}_rule --> {' & '.join(f'{other}_rule' for other in sorted(below))}")
    steps = dict.fromkeys(f"| {job.rule} | `{job.step}` | {_described(job.step)} |" for job in jobs)
    return PAGE.format(profile=profile, lines="\n".join(lines), steps="\n".join(steps))


def _described(step: str) -> str:
    """The first sentence of a step's module."""
    text = ast.get_docstring(ast.parse(Path(own(f"maccap/steps/{step}.py")).read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("->", "→")
