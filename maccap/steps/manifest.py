"""The end of a profile: sha256 of all that stands behind its results, as `sha256sum --check` reads it.

The first output lists every artifact that the results come from and its record; the second what only a checkout has,
the configuration and Snakemake's records. Two outputs, so that the records of this job check each other.
"""

from collections.abc import Iterable
from pathlib import Path

from ..core.artifacts import provenance_path, sha256, write_text
from ..core.job import Job
from ..core.records import Record, read_record
from ..lineage.snakemake_records import record_path
from .arguments import parse_command


def run(job: Job) -> None:
    files, setup = job.outputs
    records = everything_behind(job.inputs["results"])
    listed = {name: record.sha256 for name, record in records.items()}
    listed |= {str(path): sha256(path) for path in map(provenance_path, records)}
    watched = [*job.inputs["config"], *(path for path in map(record_path, records) if path.is_file())]
    for out, digests in ((files, listed), (setup, {str(path): sha256(path) for path in watched})):
        write_text(out, "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))


def everything_behind(results: Iterable[Path]) -> dict[str, Record]:
    """The record of every artifact that the results come from, or that a job on the way made beside.

    Raises:
        DataError: a record is damaged.
    """
    found: dict[str, Record] = {}
    todo = [str(path) for path in results]
    seen = set(todo)
    jobs = set()
    for name in todo:
        if record := read_record(name):
            found[name] = record
            if record.job not in jobs:
                jobs.add(record.job)
                more = {*record.inputs, *map(str, parse_command(record.command)[1].outputs)} - seen
                seen |= more
                todo += sorted(more)
    return found
