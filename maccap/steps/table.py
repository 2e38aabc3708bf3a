"""Metric files -> one table in every format."""

from ..core.job import Job
from ..tables.build import build
from ..tables.table import write_table


def run(job: Job) -> None:
    write_table(build(job.settings["table"], job.inputs["metrics"], job.settings), job.outputs)
