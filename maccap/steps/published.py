"""Captions that others published for some test sets -> predictions, to be scored with everyone else's."""

from ..core.job import Job
from ..core.settings import SelectionSettings, settings
from ..data.published import read_published
from ..inference.of_job import Predictions
from ..models.encoder import EncodedOnce
from ..models.of_job import text_encoder


def run(job: Job) -> None:
    prompt = settings(SelectionSettings, job.settings, "selection").clipscore_prompt
    encoder, made = text_encoder(job), Predictions()
    for tested, file, images in zip(job.settings["tested"], job.inputs["published"], job.inputs["images"], strict=True):
        rows = read_published(file, images)
        about = {
            "trained": job.settings["trained"],
            "experiment": job.settings["experiment"],
            "tested": tested,
            "seed": None,
        }
        made.add(about, rows, EncodedOnce(encoder).features([prompt + row["caption"] for row in rows]))
    made.write(job)
