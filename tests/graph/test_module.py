"""The workflow as config/README.md and docs/rules.md tell of it."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import yaml

from maccap.core.project import default_profile
from maccap.graph.snakemake_graph import read_graph
from tests.helpers import ROOT
from tests.helpers.checkout import Checkout, jobs_of

SVG = "{http://www.w3.org/2000/svg}"


def test_another_workflows_folder_plans_the_jobs_of_this_one(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    [told] = re.findall(r"```python\n(.*?)```", (ROOT / "config/README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(told.replace("/path/to/maccap", str(ROOT)), encoding="utf-8")
    other = Checkout(tmp_path)
    other.variables = {"PYTHONPATH": str(ROOT)}
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert other.snakemake_plan() == jobs_of(set(stages) - {"dag-check"})


def test_the_figure_has_every_rule_in_its_files_colour_and_every_arrow_that_is_not_a_short_cut(monkeypatch):
    monkeypatch.chdir(ROOT)
    jobs = read_graph(default_profile()).jobs
    rule = {job.provenance: job.rule for job in jobs}
    edges = {(rule[above], job.rule) for job in jobs for above in job.upstream if rule[above] != job.rule}

    def reached(start: str) -> set[str]:
        below = {b for a, b in edges if a == start}
        return below.union(*map(reached, below))

    needed = {(a, b) for a, b in edges if not any(b in reached(c) for d, c in edges if d == a)}
    svg = ElementTree.parse(ROOT / "docs/rules.svg")
    drawn = {group.get("id"): group for group in svg.iter(f"{SVG}g")}
    ends = {"report", "manifest"}  # of which the page says that they read everything
    assert {name for name in drawn if "->" in str(name)} == {f"{a}->{b}" for a, b in needed if not ends & {a, b}}
    files = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk")}
    in_files = {name: file for name in set(rule.values()) for file in files if f"step as {name} with:" in files[file]}
    assert set(in_files) == set(rule.values())
    colours = {name: drawn[name].find(f"{SVG}path").get("style") for name in in_files.keys() - ends}
    same = {(file, colours[name]) for name, file in in_files.items() if name in colours}
    assert len(same) == len(dict(same)) == len({colour for _, colour in same})
