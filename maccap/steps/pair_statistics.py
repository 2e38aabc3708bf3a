"""Images, captions and their features of the validation split -> statistics of image minus caption feature."""

from pathlib import Path

import torch

from ..core.job import Job
from ..data.captions import read_captions
from ..data.features import features_of
from ..data.pair_statistics import PairStatistics
from ..models.image_features import encoded_batches
from ..models.of_job import image_encoder


def run(job: Job) -> None:
    encoder = image_encoder(job)
    rows = read_captions(job.input("captions"))
    text = features_of(job.inputs["text_features"], "val", [row.caption_id for row in rows])
    files = list(dict.fromkeys(row.file_name for row in rows))
    store = job.input("store") if job.inputs.get("store") else Path(job.settings["store"])
    global_ = torch.cat(
        [batch[0] for batch in encoded_batches(encoder, store, files, job.settings["encoder.batch_size"])]
    )
    place = {file: row for row, file in enumerate(files)}
    images = global_[torch.tensor([place[row.file_name] for row in rows])]
    PairStatistics.of(images, text).write(job.outputs[0])
