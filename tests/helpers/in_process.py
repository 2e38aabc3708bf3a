"""All jobs of a profile of this project, planned by Snakemake and run one after the other in this process.

So the rules and the steps are those of the workflow, but no process has to be started for each job.
"""

import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import yaml

from maccap.core.job import Job
from maccap.graph.snakemake_graph import Graph, GraphJob, read_graph
from maccap.steps.runner import run_step
from tests.helpers import ROOT
from tests.helpers.tiny import GENERATION, SELECTION, TRAINING

LINKED = ("maccap", "workflow", "Snakefile")  # what planning reads


def make_project(folder: Path, profile: dict[str, Any]) -> None:
    """A project's folder with this project's workflow and one profile, which is the default one.

    What lies there already, such as a copy of the package, stays.
    """
    (folder / "config").mkdir(parents=True)
    for name in LINKED:
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "config/base.yaml", folder / "config/base.yaml")
    (folder / "config/config.yaml").write_text(f"profile: {profile['profile']}\n")
    (folder / f"config/{profile['profile']}.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))


def run_all(folder: Path) -> Graph:
    """Run every job of the default target of a project's default profile."""
    with chdir(folder):
        graph = read_graph(yaml.safe_load(Path("config/config.yaml").read_text())["profile"])
        for job in graph.jobs:
            own = as_job(job)
            run_step(job.step, own.inputs, own.outputs, own.settings, [])
    return graph


def job_of(graph: Graph, rule: str, **settings: Any) -> Job:
    """The first job of a rule whose settings have these values, to be run again."""
    return as_job(next(job for job in graph.jobs if job.rule == rule and settings.items() <= job.settings.items()))


def as_job(job: GraphJob) -> Job:
    inputs = {name: [Path(path) for path in paths] for name, paths in job.named.items()}
    return Job(inputs, [Path(path) for path in job.outputs], job.settings)


def small_profile(clip: Path, opt: Path, sections: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A profile with miniature models; the sections have these entries and none of those of base.yaml."""
    base = yaml.safe_load((ROOT / "config/base.yaml").read_text(encoding="utf-8"))
    models = {
        "encoder": {"name": str(clip), "batch_size": 4, "dtype": "float16"},
        "language_model": {"name": str(opt), "dtype": "float32"},
    }
    settings = {"training": TRAINING, "generation": GENERATION, "selection": SELECTION}
    own = {name: dict.fromkeys(base.get(name, {})) | entries for name, entries in sections.items()}
    dumped = {name: values.model_dump() for name, values in settings.items()}
    return {"reduced": True, "gpus": 0} | models | dumped | own | others
