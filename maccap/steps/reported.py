"""Metric files and the table of published numbers -> the comparison, in every format."""

from ..core.job import Job
from ..tables.published import read_reported, reported_table
from ..tables.table import write_table


def run(job: Job) -> None:
    captions, answers = (job.inputs.get(name, []) for name in ("metrics", "answer_metrics"))
    write_table(reported_table(captions, answers, read_reported(job.input("reported")), job.settings), job.outputs)
