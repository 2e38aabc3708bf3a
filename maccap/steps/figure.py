"""Gap reports, training logs or a sweep's table -> one figure as PNG and SVG, and the training curves as CSV."""

from ..artifacts import write_text
from ..config import labels
from ..figures import gap_figure, sweep_figure, training_curves, training_figure
from ..tables import read_table
from . import Job


def run(job: Job) -> None:
    names = labels(job.cfg, "datasets")
    if job.outputs[0].stem == "gap":
        gap_figure(job.inputs["reports"], job.outputs, names)
    elif "table" in job.inputs:
        sweep_figure(read_table(job.input("table")), job.outputs)
    else:
        *pictures, curves = job.outputs
        training_figure(job.inputs["logs"], pictures, names)
        write_text(curves, training_curves(job.inputs["logs"]).to_csv(index=False, float_format="%.6g"))
