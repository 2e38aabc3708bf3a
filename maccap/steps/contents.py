"""A drawn data set -> what its test scenes hold, which the metric of faithfulness asks."""

from ..core.artifacts import write_json
from ..core.job import Job
from ..data.scenes import contents_of


def run(job: Job) -> None:
    write_json(job.outputs[0], contents_of(job.input("scenes")), indent=None)
