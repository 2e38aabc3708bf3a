"""The text of the pipeline files: one stage per Snakemake job, and what `dvc metrics` and `dvc plots` show.

DVC reads and rewrites a whole lock file after every stage. So a profile has several pipeline files, one per file of
rules, each with a small lock of its own: `dvc.yaml` for the results, and one in `stages/` for each step before them.
"""

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
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the same text, the first in a tenth of the time
LAST = "report"  # the file of the rules whose stages are in `dvc.yaml` itself


def pipeline_file(profile: str, default: str) -> Path:
    """A profile's last stages: `dvc.yaml` for the default one, else in its own folder under `pipelines/`."""
    return Path("dvc.yaml") if profile == default else Path("pipelines") / profile / "dvc.yaml"


def pipeline_files(profile: str, default: str) -> list[Path]:
    """The pipeline files of a profile that are there."""
    last = pipeline_file(profile, default)
    return [path for path in (last, *sorted(last.parent.glob("stages/*/dvc.yaml"))) if path.is_file()]


def check_file(profile: str) -> str:
    """What the first stage leaves behind when the pipeline matches the graph; every other stage waits for it."""
    return f".snakemake/dvc-{profile}-matches"


def render(graph: Graph, profile: str, default: str) -> dict[Path, str]:
    """The text of a profile's pipeline files; the last is `dvc.yaml`.

    Raises:
        ConfigError: two jobs would get one stage name.
    """
    own = profile != default
    last = pipeline_file(profile, default)
    check = _stage_file("dag-check", last)
    stages: dict[Path, dict[str, dict[str, Any]]] = {check: {"dag-check": _check_stage(graph, profile)}}
    names: set[str] = set()
    for job, inputs in zip(graph.jobs, _needed_first(graph.jobs), strict=True):
        if (name := stage_name(job)) in names:
            raise ConfigError(f"rule {job.rule}: two jobs would be the DVC stage {name}; rename the rule or a wildcard")
        names.add(name)
        stages.setdefault(_stage_file(job.rules_file, last), {})[name] = _stage(job, inputs, profile, own)
    run = f"`dvc repro{f' {last}' if own else ''}` runs what is stale"
    about = f"# Profile {profile}, {len(names)} jobs in these files; {run}.\n"
    texts = {file: HEADER + about + _stages(stages[file], file) for file in sorted(stages, key=lambda f: f == last)}
    outputs = [path for job in graph.jobs for path in job.outputs]
    base = "../" * len(last.parent.parts)
    texts[last] += _dump({"metrics": [base + path for path in outputs if path.endswith(".metrics.json")]})
    texts[last] += _dump({"plots": [plot for path in outputs for plot in _plots(path, base)]})
    return texts


def _stage_file(rules_file: str, last: Path) -> Path:
    return last if rules_file == LAST else last.parent / "stages" / rules_file / last.name


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
    return "\n" + _yaml(value) if any(value.values()) else ""


def _indented(value: dict[str, Any]) -> str:
    return "".join(f"  {line}\n" for line in _yaml(value).splitlines())


def _yaml(value: dict[str, Any]) -> str:
    return yaml.dump(value, Dumper=DUMPER, sort_keys=False, width=1000)
