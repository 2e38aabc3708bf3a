"""The text of a pipeline file: a stage for each Snakemake job, and what `dvc metrics` and `dvc plots` show."""

import json
import re
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from ..core.errors import ConfigError
from ..core.project import pipeline_file
from .snakemake_graph import Graph, GraphJob

HEADER = "# Written from the Snakemake graph by `maccap dvc sync`; do not edit. See docs/drivers.md.\n"
TEMPLATES = Path(".dvc/plots")
WIDTH = 116  # characters of a line
SOON = "--max-jobs-per-timespan 100/1s "  # a call of Snakemake lasts as long as this at least


def check_file(profile: str) -> str:
    """What the first stage leaves behind when the pipeline matches the graph."""
    return f".snakemake/dvc-{profile}-matches"


def decided_by(profile: str) -> str:
    """Where the first stage leaves, for each stage, what decides it beside its files; the stage depends on it.

    So a stage is stale when one of its settings, its rule's command or one of its source files has changed, and only
    then.
    """
    return f".snakemake/dvc-{profile}"


def decisions(graph: Graph) -> dict[str, str]:
    """{name in `decided_by`: JSON} of every stage. Snakemake reruns for another order of the settings, too."""
    found = {}
    for jobs in _together(graph.jobs):
        about = [{"rule": job.rule, "code": job.code, "command": job.command, "settings": job.settings} for job in jobs]
        found[f"{_stage_name(jobs[0])}.json"] = json.dumps(about, indent=1) + "\n"
    return found


def render(graph: Graph, profile: str) -> str:
    """The text of a profile's pipeline file.

    Raises:
        ConfigError: two jobs would get one stage name.
    """
    file = pipeline_file(profile)
    base = "../" * len(file.parent.parts)  # from the file's folder to the project's, which is that of `dvc.yaml`
    stages = {"dag-check": _check_stage(graph, profile)}
    folders = own_folders(graph.jobs)
    needed = _needed_first(graph.jobs)
    for jobs in _together(graph.jobs):
        first = jobs[0]
        if (name := _stage_name(first)) in stages:
            raise ConfigError(
                f"rule {first.rule}: two jobs would be the DVC stage {name}; rename the rule or a wildcard"
            )
        stages[name] = _stage(jobs, needed[first.provenance], folders, profile, bool(base))
    if base:
        stages = {name: {"wdir": base.rstrip("/"), **stage} for name, stage in stages.items()}
    outputs = [path for job in graph.jobs for path in job.outputs]
    run = f"`dvc repro{f' {file}' if base else ''}` runs what is stale"
    text = HEADER + f"# Profile {profile}, {len(graph.jobs)} jobs; {run}.\n"
    text += "stages:\n\n" + "\n".join(indent(_yaml({name: stage}), "  ") for name, stage in stages.items())
    text += _dump({"params": [base + path for path in graph.configs]})
    text += _dump({"metrics": [base + path for path in outputs if path.endswith(".metrics.json")]})
    return text + _dump({"plots": [plot for path in outputs for plot in _plots(path, base)]})


def _stage_name(job: GraphJob) -> str:
    """`train-daylight-maccap` for the job of rule `train` with the wildcards `daylight` and `maccap`."""
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


def own_folders(jobs: list[GraphJob]) -> dict[str, set[str]]:
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
    return known.issuperset([*job.inputs, *job.code.split()[:-1]]) and job.settings.keys() <= first.settings.keys()


def _stage(
    jobs: list[GraphJob], inputs: list[str], folders: dict[str, set[str]], profile: str, own: bool
) -> dict[str, Any]:
    """One stage of jobs that run together, of which the first reads `inputs`."""
    first = jobs[0]
    config = f"--configfile config/{profile}.yaml " if own else ""
    rules, targets = (" ".join(names) for names in zip(*((job.rule, job.outputs[0]) for job in jobs), strict=True))
    run = f"snakemake --quiet all {SOON}{config}--allowed-rules {rules} -- {targets}"
    deps = [*_gathered([*inputs, *first.upstream], folders), f"{decided_by(profile)}/{_stage_name(first)}.json"]
    stage: dict[str, Any] = {"cmd": run, "deps": _Short(deps)}
    made = [path for job in jobs for path in (*job.outputs, job.provenance)]
    stage["outs"] = [*_gathered(made, folders), *(record for job in jobs for record in job.records)]
    return stage


def _check_stage(graph: Graph, profile: str) -> dict[str, Any]:
    return {
        "cmd": f"python -m maccap dvc sync --check --profile {profile}",
        "deps": ["Snakefile", *graph.configs, "workflow", "maccap"],
        "outs": [check_file(profile), decided_by(profile)],
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


def _yaml(value: dict[str, Any]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=WIDTH)
