"""The end of a profile: sha256 of all that stands behind its results, as `sha256sum --check` reads it.

The first output lists every artifact that the results come from and the record of every job; the second what only a
checkout has, the configuration and Snakemake's records.
"""

from ..core.artifacts import sha256, write_text
from ..core.job import Job
from ..core.records import Records
from ..lineage.snakemake_private import snakemake_record


def run(job: Job) -> None:
    files, setup = job.outputs
    records = Records().behind(job.inputs["results"])
    listed = {path: made.sha256 for record in records for path, made in record.outputs.items()}
    watched = [*job.inputs["config"], *(path for path in map(snakemake_record, listed) if path.is_file())]
    listed |= {record.path: sha256(record.path) for record in records}
    for out, digests in ((files, listed), (setup, {str(path): sha256(path) for path in watched})):
        write_text(out, "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))
