"""Tables, figures and samples of one profile -> the report, a page for readers."""

from ..artifacts import write_text
from ..report.page import report_page
from . import Job


def run(job: Job) -> None:
    (out,) = job.outputs
    write_text(out, report_page(job))
