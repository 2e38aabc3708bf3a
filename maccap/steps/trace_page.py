"""Tables and their metric files -> one page with the past of every number.

The records beside them and beside everything behind them are read as well.
"""

from ..artifacts import write_text
from ..provenance.page import trace_page
from . import Job


def run(job: Job) -> None:
    write_text(job.outputs[0], trace_page([str(path) for path in job.inputs["tables"]], job.cfg["profile"]))
