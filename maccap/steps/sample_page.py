"""Samples -> their own page, which links each file to its past in the report's `trace.html`."""

from ..core.artifacts import write_text
from ..core.job import Job
from ..report.sample_page import sample_page


def run(job: Job) -> None:
    (page,) = job.outputs
    write_text(page, sample_page(job))
