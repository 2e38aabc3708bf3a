"""Tables and figures of a profile -> the report, where its numbers come from, and the numbers in LaTeX.

For provenance, the records beside the tables and beside everything behind them are read as well.
"""

from ..core.artifacts import write_text
from ..core.job import Job
from ..lineage.trace_page import trace_page
from ..report.page import report_page, tables_in_order
from ..tables.latex_macros import to_macros
from ..tables.table import read_table


def run(job: Job) -> None:
    page, trace, macros = job.outputs
    tables = tables_in_order(job)
    write_text(page, report_page(job))
    write_text(trace, trace_page([str(path) for path in tables], job.settings["profile"], page.name))
    write_text(macros, to_macros({path.stem: read_table(path) for path in tables}))
