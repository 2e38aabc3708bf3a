"""Training logs or a sweep's table -> one figure as PNG and SVG, and what the training figure draws as CSV."""

from ..core.artifacts import write_text
from ..core.job import Job
from ..core.settings import labels
from ..figures.figures import sweep_figure, training_curves, training_figure
from ..tables.table import read_table


def run(job: Job) -> None:
    if "table" in job.inputs:
        sweep_figure(read_table(job.input("table")), job.outputs)
    else:
        *images, table = job.outputs
        drawn = job.settings["drawn"]
        curves = training_curves(job.inputs["logs"]).dropna(subset="validation_loss")
        shown = curves.loc[curves.run.isin(drawn), ["trained", "run", "seed", "step", "validation_loss"]]
        training_figure(shown, images, labels(job.settings, "datasets"), drawn)
        write_text(table, shown.to_csv(index=False, float_format="%.6g"))
