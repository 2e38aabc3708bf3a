"""The metric files behind a table of captions -> its figure as PNG and SVG."""

from ..core.job import Job
from ..figures.captions import captions_figure
from ..tables.results import read_results


def run(job: Job) -> None:
    title = job.settings[f"tables.{job.settings['table']}.title"]
    captions_figure(read_results(job.inputs["metrics"], job.settings["cells"]), job.settings, title, job.outputs)
