"""The text of a pipeline file: a stage for each Snakemake job, and what `dvc metrics` and `dvc plots` show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import ConfigError
from .snakemake_graph import Graph, GraphJob

HEADER = "# Written from the Snakemake graph by `maccap dvc sync`; do not edit. See docs/drivers.md.\n"
TEMPLATES = Path(".dvc/plots")
WIDTH = 116  # characters of a line


def pipeline_file(profile: str, default: str) -> Path:
    """A profile's pipeline: `dvc.yaml` for the default one, else in its own folder under `pipelines/`."""
    return Path("dvc.yaml") if profile == default else Path("pipelines") / profile / "dvc.yaml"


def check_file(profile: str) -> str:
    """What the first stage leaves behind when the pipeline matches the graph."""
    return f".snakemake/dvc-{profile}-matches"


def code_folder(profile: str) -> str:
    """Where the first stage leaves the hash of each stage's source files, which the stage depends on.

    So a stage is stale when one of its source files has changed, and only then.
    """
    return f".snakemake/dvc-{profile}-code"


def code_hashes(graph: Graph) -> dict[str, str]:
    """{name in `code_folder`: text} of every stage."""
    return {stage_name(jobs[0]): jobs[0].code + "\n" for jobs in _together(graph.jobs)}


def render(graph: Graph, profile: str, default: str) -> str:
    """The text of a profile's pipeline file.

    Raises:
        ConfigError: two jobs would get one stage name.
    """
    own = profile != default
    file = pipeline_file(profile, default)
    stages = {"dag-check": _check_stage(graph, profile)}
    folders = _own_folders(graph.jobs)
    needed = _needed_first(graph.jobs)
    for jobs in _together(graph.jobs):
        first = jobs[0]
        if (name := stage_name(first)) in stages:
            raise ConfigError(
                f"rule {first.rule}: two jobs would be the DVC stage {name}; rename the rule or a wildcard"
            )
        stages[name] = _stage(jobs, needed[first.provenance], folders, profile, own)
    up = "/".join([".."] * len(file.parent.parts))
    if up:
        stages = {name: {"wdir": up, **stage} for name, stage in stages.items()}
    base = up + "/" if up else ""
    outputs = [path for job in graph.jobs for path in job.outputs]
    run = f"`dvc repro{f' {file}' if own else ''}` runs what is stale"
    text = HEADER + f"# Profile {profile}, {len(graph.jobs)} jobs; {run}.\n"
    text += "stages:\n\n" + "\n".join(_indented({name: stage}) for name, stage in stages.items())
    text += _dump({"metrics": [base + path for path in outputs if path.endswith(".metrics.json")]})
    return text + _dump({"plots": [plot for path in outputs for plot in _plots(path, base)]})


def stage_name(job: GraphJob) -> str:
    """`train-coco-maccap` for the job of rule `train` with the wildcards `coco` and `maccap`."""
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(filter(None, [job.rule, *job.wildcards])))


def _needed_first(jobs: list[GraphJob]) -> dict[str, list[str]]:
    """By its provenance record, each job's inputs without the sources, such as weights, that a job above it has too:
    their change reaches it from there."""
    made = {path for job in jobs for path in job.outputs}
    covered: dict[str, set[str]] = {}
    needed = {}
    for job in jobs:
        above = set().union(*(covered[record] for record in job.upstream))
        needed[job.provenance] = [path for path in job.inputs if path not in above]
        covered[job.provenance] = above | set(job.inputs) - made
    return needed


def _own_folders(jobs: list[GraphJob]) -> dict[str, set[str]]:
    """Folders with several files, of which one job alone writes all, or that are sources, with these files.

    Such a folder is one out and one dependency for DVC, whose locks compare every path of a stage with every other.
    """
    files: dict[str, set[str]] = {}
    writers: dict[str, set[int]] = {}
    for number, job in enumerate(jobs):
        for path in job.outputs:
            files.setdefault(str(Path(path).parent), set()).add(path)
            for folder in map(str, Path(path).parents):
                writers.setdefault(folder, set()).add(number)
    made = {folder: paths for folder, paths in files.items() if len(paths) > 1 and len(writers[folder]) == 1}
    read = {str(Path(path).parent) for job in jobs for path in job.inputs} - files.keys()
    sources = {folder: {str(path) for path in Path(folder).iterdir()} for folder in read if Path(folder).is_dir()}
    return made | {folder: paths for folder, paths in sources.items() if len(paths) > 1}


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
    known = {*first.inputs, *first.code.split(), *(path for other in stage for path in other.outputs)}
    return known.issuperset([*job.inputs, *job.code.split()[:-1]]) and all(
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
    code = f"{code_folder(profile)}/{stage_name(first)}"
    deps = [*_gathered([*inputs, *first.upstream], folders), code]
    stage: dict[str, Any] = {"cmd": f"{run}  # rule {digests}", "deps": _Short(deps)}
    if first.keys:
        stage["params"] = [{file: _Short(keys)} for file, keys in first.keys.items()]
    made = [path for job in jobs for path in (*job.outputs, job.provenance)]
    stage["outs"] = [*_gathered(made, folders), *(record for job in jobs for record in job.records)]
    return stage


def _check_stage(graph: Graph, profile: str) -> dict[str, Any]:
    return {
        "cmd": f"python -m maccap dvc sync --check --profile {profile}",
        "deps": graph.sources,
        "outs": [check_file(profile), code_folder(profile)],
    }


def _plots(path: str, base: str) -> list[str | dict[str, Any]]:
    """An image is shown as it is; a CSV file is drawn when there is a template of its name."""
    name = Path(path).stem
    if path.endswith(".png"):
        return [base + path]
    if path.endswith(".csv") and (TEMPLATES / f"{name}.json").is_file():
        return [{base + path: {"template": name}}]
    return []


class _Short(list[str]):
    """A list that is written as [a, b, c], as many as fit on a line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Short, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def _dump(value: dict[str, list[Any]]) -> str:
    return "\n" + _yaml(value) if any(value.values()) else ""


def _indented(value: dict[str, Any]) -> str:
    return "".join(f"  {line}\n" for line in _yaml(value).splitlines())


def _yaml(value: dict[str, Any]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=WIDTH)
