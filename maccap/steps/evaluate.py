"""All predictions of one test set -> their caption metrics as JSON Lines: of the corpus, and of each image."""

from itertools import islice

from ..core.job import Job
from ..metrics.caption_metrics.spice import supply_spice
from ..metrics.evaluation import Evaluation, TestSet, evaluations, metric_rows
from ..metrics.metric_files import write_metrics


def run(job: Job) -> None:
    run_all([job])


def run_all(jobs: list[Job]) -> None:
    """Several test sets with one start of Java."""
    found = [_evaluations(job) for job in jobs]
    rows = metric_rows([evaluation for own in found for evaluation in own])
    for job, own in zip(jobs, found, strict=True):
        write_metrics(job.outputs, islice(rows, sum(1 + len(evaluation.predictions) for evaluation in own)))


def _evaluations(job: Job) -> list[Evaluation]:
    if job.inputs.get("spice"):
        supply_spice(job.inputs["spice"])
    contents = job.inputs.get("contents", [])
    return evaluations(job.inputs["predictions"], job.settings["tested"], TestSet.read(job.input("captions"), contents))
