"""The workflow as config/README.md and docs/rules.md tell of it."""

import re
import shutil
from itertools import pairwise, product
from pathlib import Path

import yaml

from maccap.core.project import default_profile
from maccap.graph.snakemake_graph import read_graph
from tests.helpers import ROOT
from tests.helpers.checkout import Checkout, jobs_of


def test_another_workflows_folder_plans_the_jobs_of_this_one(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    [told] = re.findall(r"```python\n(.*?)```", (ROOT / "config/README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(told.replace("/path/to/maccap", str(ROOT)), encoding="utf-8")
    other = Checkout(tmp_path)
    other.variables = {"PYTHONPATH": str(ROOT)}
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert other.snakemake_plan() == jobs_of(set(stages) - {"dag-check"})


def drawn() -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Of the Mermaid text: the box that a rule first stands in, and its arrows; `train_rule[train]` is train."""
    page = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    text = next(block for block in re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL) if "scenes" in block)
    boxes: dict[str, str] = {}
    arrows, box = set(), ""
    for line in map(str.strip, text.splitlines()[1:]):
        if line == "end":
            box = ""
        elif line.startswith("subgraph"):
            box = line.split()[1]
        else:
            groups = [re.sub(r"_rule\b(\[\w+\])?", "", group).split(" & ") for group in line.split(" --> ")]
            arrows |= {arrow for above, below in pairwise(groups) for arrow in product(above, below)}
            boxes |= {rule: box for group in groups for rule in group if box}
    return boxes, arrows


def test_the_diagram_has_every_rule_in_its_file_and_every_arrow_that_is_not_a_short_cut(monkeypatch):
    monkeypatch.chdir(ROOT)
    jobs = read_graph(default_profile()).jobs
    rule = {job.provenance: job.rule for job in jobs}
    edges = {(rule[above], job.rule) for job in jobs for above in job.upstream if rule[above] != job.rule}

    def reached(start: str) -> set[str]:
        below = {b for a, b in edges if a == start}
        return below.union(*map(reached, below))

    needed = {(a, b) for a, b in edges if not any(b in reached(c) for d, c in edges if d == a)}
    boxes, arrows = drawn()
    assert arrows == needed
    files = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk")}
    assert boxes == {
        name: file for name in set(rule.values()) for file in files if f"rule step as {name} with:" in files[file]
    }
