"""Captions that others published for some test sets -> predictions, to be scored with everyone else's."""

from itertools import islice

from ..core.job import Job
from ..core.settings import SelectionSettings, settings
from ..data.published import read_published
from ..inference.of_job import EncodedTestSet, Predictions
from ..models.encoder import EncodedOnce
from ..models.of_job import text_encoder


def run(job: Job) -> None:
    prompt = settings(SelectionSettings, job.settings, "selection").clipscore_prompt
    encoder, made, stores = text_encoder(job), Predictions(), iter(job.inputs["images"])
    tests = zip(job.settings["tested"], job.settings["shards"], strict=True)
    for (tested, shards), file, table in zip(tests, job.inputs["published"], job.inputs["tables"], strict=True):
        rows, test = read_published(file, table), EncodedTestSet.of_job(job, tested, list(islice(stores, shards)))
        about = {
            "trained": job.settings["trained"],
            "experiment": job.settings["experiment"],
            "tested": tested,
            "seed": None,
        }
        made.add(about, rows, EncodedOnce(encoder).features([prompt + row["caption"] for row in rows]), test)
    made.write(job)
