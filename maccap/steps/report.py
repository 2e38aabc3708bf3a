"""Tables, figures and samples of one profile -> the report, the past of every number, and the numbers as LaTeX macros.

For the past, the records beside the tables and beside everything behind them are read as well.
"""

from ..artifacts import write_text
from ..numbers import to_macros
from ..provenance.page import trace_page
from ..report.page import report_page
from ..tables import read_table
from . import Job


def run(job: Job) -> None:
    page, trace, macros = job.outputs
    tables = job.inputs["tables"]
    write_text(page, report_page(job))
    write_text(trace, trace_page([str(path) for path in tables], job.cfg["profile"]))
    write_text(macros, to_macros({path.stem: read_table(path) for path in tables}))
