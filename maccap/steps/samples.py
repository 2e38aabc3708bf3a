"""Predictions, answers, their scores and images -> the samples that the report and the page of samples show.

They are a job of their own so that a changed table does not look into images and features again.
"""

from ..core.artifacts import write_json
from ..core.job import Job
from ..report.samples import image_samples, question_samples


def run(job: Job) -> None:
    (out,) = job.outputs
    write_json(out, {"images": image_samples(job), "questions": question_samples(job)})
