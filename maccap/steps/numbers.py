"""Tables -> every number as a LaTeX macro, and the page with the past of every number.

For the page, the records beside the tables and beside everything behind them are read as well.
"""

from ..artifacts import write_text
from ..numbers import to_macros
from ..provenance.page import trace_page
from ..tables import read_table
from . import Job


def run(job: Job) -> None:
    macros, page = job.outputs
    tables = job.inputs["tables"]
    write_text(macros, to_macros({path.stem: read_table(path) for path in tables}))
    write_text(page, trace_page([str(path) for path in tables], job.cfg["profile"]))
