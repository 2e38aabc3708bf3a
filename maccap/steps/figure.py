"""Gap reports or training logs -> one figure as PNG and SVG."""

from ..config import labels
from ..figures import gap_figure, training_figure
from . import Job


def run(job: Job) -> None:
    names = labels(job.cfg, "datasets")
    if job.outputs[0].stem == "gap":
        gap_figure(job.inputs["reports"], job.outputs, names)
    else:
        training_figure(job.inputs["logs"], job.outputs, names)
