"""Metric files -> one table in every format."""

from ..paper_tables import build
from ..tables import write_table
from . import Job


def run(job: Job) -> None:
    write_table(build(job.outputs[0].stem, job.inputs["metrics"], job.cfg), job.outputs)
