"""Tables' JSON -> their numbers as LaTeX macros."""

from ..artifacts import read_json, write_text
from ..numbers import to_macros
from . import Job


def run(job: Job) -> None:
    (out,) = job.outputs
    write_text(out, to_macros({path.stem: read_json(path) for path in job.inputs["tables"]}))
