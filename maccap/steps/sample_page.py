"""Samples -> their own page, with a link from each file to where it comes from (`trace.html`)."""

from ..core.artifacts import write_text
from ..core.job import Job
from ..report.sample_page import sample_page


def run(job: Job) -> None:
    (page,) = job.outputs
    write_text(page, sample_page(job))
