"""Gap reports -> the figures about the gap, each as PNG and SVG under its own name."""

from ..core.job import Job
from ..core.settings import labels
from ..figures.gap import draw


def run(job: Job) -> None:
    for name in dict.fromkeys(path.stem for path in job.outputs):
        draw(name, job.inputs["reports"], [p for p in job.outputs if p.stem == name], labels(job.settings, "datasets"))
