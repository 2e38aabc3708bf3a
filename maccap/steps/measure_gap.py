"""Features of test images, of their captions and of the training captions -> everything about the gap between them."""

from collections.abc import Iterator
from pathlib import Path

import torch

from ..core.artifacts import write_json
from ..core.job import Job
from ..data.captions import read_captions
from ..data.features import ImageFeatures, TextFeatures, features_of, read_image_features
from ..data.text_corpus import memory_rows
from ..gap.report import gap_report
from ..gap.settings import GapSettings

BATCH = 256  # images


def run(job: Job) -> None:
    rows = read_captions(job.input("captions"))
    text = features_of(job.inputs["text_features"], "test", [row.caption_id for row in rows])
    ids = torch.cat([read_image_features([path]).ids for path in job.inputs["images"]])
    row_of = {int(image_id): row for row, image_id in enumerate(ids)}
    image_row = torch.tensor([row_of[row.image_id] for row in rows])
    known = TextFeatures(job.inputs["memory"])
    memory = known[memory_rows(len(known), job.settings["seed"])]
    report = gap_report(_batches(job.inputs["images"]), text, image_row, memory, GapSettings.of(job.settings))
    write_json(job.outputs[0], {"dataset": job.settings["dataset"]} | report, indent=None)


def _batches(paths: list[Path]) -> Iterator[ImageFeatures]:
    for path in paths:
        store = read_image_features([path])
        for begin in range(0, len(store), BATCH):
            yield store.rows(slice(begin, begin + BATCH))
