"""Stanford CoreNLP's archive -> the two jars that SPICE needs; what SPICE lacks is named now, not later."""

import tempfile
from pathlib import Path

from ..core.job import Job
from ..data.archives import unpack
from ..metrics.java import require_what_spice_needs


def run(job: Job) -> None:
    require_what_spice_needs()
    job.outputs[0].parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=job.outputs[0].parent) as folder:
        found = {
            path.name: path
            for path in unpack(job.input("archive"), Path(folder), [f"*/{out.name}" for out in job.outputs])
        }
        for out in job.outputs:
            found[out.name].replace(out)
