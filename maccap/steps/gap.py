"""Test images' features and their captions' features -> gap report."""

import torch

from ..artifacts import write_json
from ..datasets.captions import read_captions
from ..errors import DataError
from ..features import TextFeatures, read_image_features
from ..gap import gap_report
from . import Job


def run(job: Job) -> None:
    images = read_image_features(job.inputs["images"]).rows(slice(None))
    rows = read_captions(job.input("captions"))
    features = TextFeatures(job.inputs["text_features"])
    if features.ids.tolist() != [row.caption_id for row in rows]:
        raise DataError(f"{job.inputs['text_features'][0]}: was made from other captions; delete it and run again")
    text = features[torch.arange(len(features))]
    row_of = {int(image_id): row for row, image_id in enumerate(images.ids)}
    image_row = torch.tensor([row_of[row.image_id] for row in rows])
    report = gap_report(images, text, image_row, job.cfg["decoding.subregions"], job.cfg["decoding.patch_weight"])
    write_json(job.outputs[0], report)
