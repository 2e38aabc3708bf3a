"""docs/rules.md: the rules of the default profile as a diagram, from Snakemake's own plan."""

from ..core.project import default_profile
from .snakemake_graph import read_graph

PAGE = """# The workflow's rules

The rules of the profile `{profile}`, a box for each file of `workflow/rules/`. An arrow means "is read by"; one that
only shortens a way over other rules is left out. `maccap docs` writes this page from Snakemake's plan.

```mermaid
flowchart TB
{lines}
```
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
    return PAGE.format(profile=profile, lines="\n".join(lines))
