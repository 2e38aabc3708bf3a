"""Tables' JSON -> their numbers as LaTeX macros."""

from ..artifacts import write_text
from ..numbers import to_macros
from ..tables import read_table
from . import Job


def run(job: Job) -> None:
    (out,) = job.outputs
    write_text(out, to_macros({path.stem: read_table(path) for path in job.inputs["tables"]}))
