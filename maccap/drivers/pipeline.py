"""The text of `dvc.yaml`: one stage per Snakemake job, and what `dvc metrics` and `dvc plots` show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ..artifacts import provenance_path
from ..errors import ConfigError
from .graph import Graph, GraphJob

HEADER = "# Written from the Snakemake graph by `maccap dvc sync`; do not edit. See docs/drivers.md.\n"
TEMPLATES = Path(".dvc/plots")


def pipeline_file(profile: str, default: str) -> Path:
    """Where a profile's stages live: `dvc.yaml` for the default one, else its own folder under `pipelines/`."""
    return Path("dvc.yaml") if profile == default else Path("pipelines") / profile / "dvc.yaml"


def check_file(profile: str) -> str:
    """What the first stage leaves behind when `dvc.yaml` matches the graph; every other stage waits for it."""
    return f".snakemake/dvc-{profile}-matches"


def render(graph: Graph, profile: str, default: str) -> dict[Path, str]:
    """The text of a profile's pipeline file, and of the small one beside it that checks it first.

    DVC rewrites a whole lock file after every stage; the check has its own because it runs after every change.

    Raises:
        ConfigError: two jobs would get one stage name.
    """
    own = profile != default
    file = pipeline_file(profile, default)
    stages: dict[str, dict[str, Any]] = {}
    for job, inputs in zip(graph.jobs, _needed_first(graph.jobs), strict=True):
        if (name := stage_name(job)) in stages:
            raise ConfigError(f"rule {job.rule}: two jobs would be the DVC stage {name}; rename the rule or a wildcard")
        stages[name] = _stage(job, inputs, profile, own)
    outputs = [path for job in graph.jobs for path in job.outputs]
    base = "../" * len(file.parent.parts)
    run = f"`dvc repro{f' {file}' if own else ''}` runs what is stale"
    check = file.parent / "dag-check" / "dvc.yaml"
    return {
        file: f"{HEADER}# Profile {profile}, {len(stages)} jobs; {run}.\n"
        + _stages(stages, file)
        + _dump({"metrics": [base + path for path in outputs if path.endswith(".metrics.json")]})
        + _dump({"plots": [plot for path in outputs for plot in _plots(path, base)]}),
        check: f"{HEADER}# Runs before the jobs of profile {profile}.\n"
        + _stages({"dag-check": _check_stage(graph, profile)}, check),
    }


def _stages(stages: dict[str, dict[str, Any]], file: Path) -> str:
    """The `stages` of a pipeline file; every command runs in the project's folder."""
    if up := "/".join([".."] * len(file.parent.parts)):
        stages = {name: {"wdir": up, **stage} for name, stage in stages.items()}
    return "stages:\n\n" + "\n".join(_indented({name: stage}) for name, stage in stages.items())


def stage_name(job: GraphJob) -> str:
    """`train-coco-maccap` for the job of rule `train` with the wildcards `coco` and `maccap`."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", "-".join([job.rule, *job.wildcards]))


def _needed_first(jobs: list[GraphJob]) -> list[list[str]]:
    """Each job's inputs without the source files that a job above it has too: their change reaches it from there."""
    makers = {str(provenance_path(job.outputs[0])): job.outputs[0] for job in jobs}
    made = {path for job in jobs for path in job.outputs}
    covered: dict[str, set[str]] = {}
    needed = []
    for job in jobs:
        above = set().union(*(covered[makers[record]] for record in job.upstream))
        needed.append([path for path in job.inputs if path not in above])
        covered[job.outputs[0]] = above | set(job.inputs) - made
    return needed


def _stage(job: GraphJob, inputs: list[str], profile: str, own: bool) -> dict[str, Any]:
    config = f"--configfile config/{profile}.yaml " if own else ""
    run = f"snakemake --quiet all {config}--allowed-rules {job.rule} -- {job.outputs[0]}"
    sources = [check_file(profile)] if not job.upstream else []
    stage: dict[str, Any] = {"cmd": f"{run}  # rule {job.digest}", "deps": [*inputs, *job.upstream, *sources]}
    if job.keys:
        stage["params"] = [{file: keys} for file, keys in job.keys.items()]
    stage["outs"] = [
        path
        for output, record in zip(job.outputs, job.records, strict=True)
        for path in (output, str(provenance_path(output)), record)
    ]
    return stage


def _check_stage(graph: Graph, profile: str) -> dict[str, Any]:
    return {
        "cmd": f"python -m maccap dvc sync --check --profile {profile}",
        "deps": graph.sources,
        "outs": [check_file(profile)],
    }


def _plots(path: str, base: str) -> list[str | dict[str, Any]]:
    """A picture is shown as it is; a CSV file is drawn when there is a template of its name."""
    name = Path(path).stem
    if path.endswith(".png"):
        return [base + path]
    if path.endswith(".csv") and (TEMPLATES / f"{name}.json").is_file():
        return [{base + path: {"template": name}}]
    return []


def _dump(value: dict[str, list[Any]]) -> str:
    return "\n" + yaml.safe_dump(value, sort_keys=False, width=1000) if any(value.values()) else ""


def _indented(value: dict[str, Any]) -> str:
    return "".join(f"  {line}\n" for line in yaml.safe_dump(value, sort_keys=False, width=1000).splitlines())
