"""Test images' features and their captions' features -> gap report."""

import torch

from ..artifacts import write_json
from ..datasets.captions import read_captions
from ..features import read_image_features, read_text_features
from ..gap import gap_report
from . import Job


def run(job: Job) -> None:
    images = read_image_features(job.input("images"))
    images = images.rows(slice(None))
    rows = read_captions(job.input("captions"), split="test")
    text = read_text_features(job.input("text_features"), rows).float()
    row_of = {int(image_id): row for row, image_id in enumerate(images.ids)}
    image_row = torch.tensor([row_of[row.image_id] for row in rows])
    report = gap_report(images, text, image_row, job.cfg["decoding.subregions"], job.cfg["decoding.patch_weight"])
    write_json(job.outputs[0], report)
