"""The text of the pipeline files: a stage for each Snakemake job, and what `dvc metrics` and `dvc plots` show.

DVC reads and rewrites a whole lock file after every stage. So a profile has several pipeline files, one per file of
rules, each with a small lock of its own: `dvc.yaml` for the results, and one in `stages/` for each step before them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ..core.artifacts import provenance_path
from ..core.errors import ConfigError
from .snakemake_graph import Graph, GraphJob

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
    folders = _own_folders(graph.jobs)
    needed = _needed_first(graph.jobs)
    for jobs in _together(graph.jobs):
        first = jobs[0]
        if (name := stage_name(first)) in names:
            raise ConfigError(
                f"rule {first.rule}: two jobs would be the DVC stage {name}; rename the rule or a wildcard"
            )
        names.add(name)
        stage = _stage(jobs, needed[first.provenance], folders, profile, own)
        stages.setdefault(_stage_file(first.rules_file, last), {})[name] = stage
    run = f"`dvc repro{f' {last}' if own else ''}` runs what is stale"
    about = f"# Profile {profile}, {len(graph.jobs)} jobs in these files; {run}.\n"
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


def _needed_first(jobs: list[GraphJob]) -> dict[str, list[str]]:
    """By its provenance record, each job's inputs without the source files that a job above it has too: their change
    reaches it from there."""
    made = {path for job in jobs for path in job.outputs}
    covered: dict[str, set[str]] = {}
    needed = {}
    for job in jobs:
        above = set().union(*(covered[record] for record in job.upstream))
        needed[job.provenance] = [path for path in job.inputs if path not in above]
        covered[job.provenance] = above | set(job.inputs) - made
    return needed


def _own_folders(jobs: list[GraphJob]) -> dict[str, set[str]]:
    """The folders in which one job alone writes, and several files, with these files.

    Such a folder is one out and one dependency for DVC, whose locks compare every path of a stage with every other.
    """
    files: dict[str, set[str]] = {}
    writers: dict[str, set[int]] = {}
    for number, job in enumerate(jobs):
        for path in job.outputs:
            files.setdefault(str(Path(path).parent), set()).add(path)
            for folder in map(str, Path(path).parents):
                writers.setdefault(folder, set()).add(number)
    return {folder: paths for folder, paths in files.items() if len(paths) > 1 and len(writers[folder]) == 1}


def _gathered(paths: list[str], folders: dict[str, set[str]]) -> list[str]:
    """The paths, but a folder in place of what is in it where the paths name all its files."""
    there = set(paths)
    whole = {folder for folder, files in folders.items() if files <= there}
    return list(dict.fromkeys(parent if (parent := str(Path(path).parent)) in whole else path for path in paths))


def _together(jobs: list[GraphJob]) -> list[list[GraphJob]]:
    """The jobs of each stage, first the one that makes all of them stale.

    A job joins the stage of another when all that it reads is read or made there: what makes it stale makes the other
    stale, too, and one start of Snakemake runs both.
    """
    stages: list[list[GraphJob]] = []
    at: dict[str, list[GraphJob]] = {}
    for job in jobs:
        above = [at[record] for record in job.upstream]
        stage = next((stage for stage in above if _adds_nothing(job, stage)), None)
        if stage is None:
            stages.append(stage := [])
        stage.append(job)
        at[job.provenance] = stage
    return stages


def _adds_nothing(job: GraphJob, stage: list[GraphJob]) -> bool:
    first = stage[0]
    known = {*first.inputs, *(path for other in stage for path in other.outputs)}
    return known.issuperset(job.inputs) and all(
        set(keys) <= set(first.keys.get(file, ())) for file, keys in job.keys.items()
    )


def _stage(
    jobs: list[GraphJob], inputs: list[str], folders: dict[str, set[str]], profile: str, own: bool
) -> dict[str, Any]:
    """One stage of jobs that run together, of which the first reads `inputs`."""
    first = jobs[0]
    config = f"--configfile config/{profile}.yaml " if own else ""
    rules, targets, digests = map(" ".join, zip(*((job.rule, job.outputs[0], job.digest) for job in jobs), strict=True))
    run = f"snakemake --quiet all {config}--allowed-rules {rules} -- {targets}"
    sources = [check_file(profile)] if not first.upstream else []
    deps = _gathered([*inputs, *first.upstream], folders)
    stage: dict[str, Any] = {"cmd": f"{run}  # rule {digests}", "deps": [*deps, *sources]}
    if first.keys:
        stage["params"] = [{file: keys} for file, keys in first.keys.items()]
    made = [path for job in jobs for output in job.outputs for path in (output, str(provenance_path(output)))]
    stage["outs"] = [*_gathered(made, folders), *(record for job in jobs for record in job.records)]
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
