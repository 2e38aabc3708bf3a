"""Metric files and the table of published numbers -> the comparison, in every format."""

from ..reported import read_reported
from ..reported_table import reported_table
from ..tables import write_table
from . import Job


def run(job: Job) -> None:
    write_table(reported_table(job.inputs["metrics"], read_reported(job.input("reported")), job.cfg), job.outputs)
