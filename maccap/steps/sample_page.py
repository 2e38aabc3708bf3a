"""Samples -> their own page, which links each file to its past in the report's `trace.html`."""

from ..artifacts import write_text
from ..report.sample_page import sample_page
from . import Job


def run(job: Job) -> None:
    (page,) = job.outputs
    write_text(page, sample_page(job))
