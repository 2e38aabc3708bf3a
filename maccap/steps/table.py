"""Metric files -> one table in every format."""

from ..core.job import Job
from ..core.settings import PrintedSettings, settings
from ..tables.build import best, build
from ..tables.table import write_table


def run(job: Job) -> None:
    cfg, shown = job.settings, settings(PrintedSettings, job.settings, "printed")
    table = build(cfg["table"], job.inputs["metrics"], cfg)
    write_table(table, job.outputs, usual=shown.columns, bold=best(table, cfg) if shown.bold else ())
