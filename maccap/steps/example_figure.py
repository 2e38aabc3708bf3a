"""Samples -> one of the first data set as a figure that shows MacCap at work, as PNG and SVG."""

from ..core.artifacts import read_json
from ..core.job import Job
from ..figures.example import example_figure


def run(job: Job) -> None:
    part = read_json(job.input("samples"))["images"][0]
    label = job.settings[f"datasets.{part['dataset']}.label"]
    example_figure(part["images"], label, job.settings["ours"], job.outputs)
