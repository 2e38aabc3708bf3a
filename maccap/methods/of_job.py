"""The method of a job: its run's method with the settings and the resources that the job was given."""

from ..core.job import Job
from ..core.settings import TrainingSettings, section, settings
from ..data.text_corpus import TextSet
from .base import CaptioningMethod, read_resources
from .registry import load_method


def training_settings(job: Job) -> TrainingSettings:
    """The profile's settings, overridden by those of the data set and then by those of the run."""
    trained, run = job.settings["trained"], job.settings["run"]
    return settings(TrainingSettings, job.settings, "training", f"datasets.{trained}.training", f"runs.{run}.training")


def method_of(job: Job, memory: TextSet | None = None) -> CaptioningMethod:
    """The method of the job's run.

    Args:
        memory: the training captions where they are read already; else the job's inputs `memory` and `memory_captions`.
    """
    run = job.settings["run"]
    given = (job.inputs["memory"], job.input("memory_captions")) if job.inputs.get("memory") else memory
    pairs, vocabulary = (next(iter(job.inputs.get(name, [])), None) for name in ("pairs", "vocabulary"))
    return load_method(
        job.settings[f"runs.{run}.method"],
        training_settings(job),
        section(job.settings, f"runs.{run}.options"),
        read_resources(given, pairs, vocabulary),
    )
