"""Images, captions and their features of the validation split -> statistics of image minus caption feature."""

from pathlib import Path

import torch

from ..core.errors import DataError
from ..core.job import Job
from ..data.captions import read_captions
from ..data.features import TextFeatures
from ..data.images import read_images
from ..data.pair_statistics import PairStatistics
from ..models.image_features import encode_images
from ..models.of_job import image_encoder


def run(job: Job) -> None:
    encoder = image_encoder(job)
    rows, text = read_captions(job.input("captions")), TextFeatures(job.inputs["text_features"], "val")
    if text.ids.tolist() != [row.caption_id for row in rows]:
        raise DataError(f"{job.inputs['text_features'][0]}: was made from other captions; delete it and run again")
    files = list(dict.fromkeys(row.file_name for row in rows))
    store = job.input("store") if job.inputs.get("store") else Path(job.cfg["store"])
    decoded, size = read_images(store, files), job.cfg["encoder.batch_size"]
    batches = [files[begin : begin + size] for begin in range(0, len(files), size)]
    global_ = torch.cat([encode_images(encoder, [next(decoded) for _ in batch])[0] for batch in batches])
    place = {file: row for row, file in enumerate(files)}
    images = global_[torch.tensor([place[row.file_name] for row in rows])]
    PairStatistics.of(images, text[torch.arange(len(rows))]).write(job.outputs[0])
