"""Predictions, answers, their scores and images -> the samples that the report and the page of samples show.

They are a job of their own so that a changed table does not look into images and features again.
"""

from dataclasses import asdict

from ..core.artifacts import write_json
from ..core.job import Job
from ..report.samples import image_samples, question_samples


def run(job: Job) -> None:
    (out,) = job.outputs
    images = [asdict(part) for part in image_samples(job)]
    questions = [asdict(part) for part in question_samples(job)]
    write_json(out, {"images": images, "questions": questions})
