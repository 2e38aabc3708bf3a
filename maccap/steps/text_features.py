"""Caption tables -> text features: of one shard of the training captions, and with the first shard of the others.

The first output holds the column `train`, the second, if there is one, the columns `val` and `test`.
"""

from collections.abc import Iterator

import torch

from ..core.job import Job
from ..data.captions import Caption, CaptionTable
from ..data.features import ids_of, shard_rows, write_store
from ..models.of_job import text_encoder


def run(job: Job) -> None:
    encoder = text_encoder(job)

    def write(out: int, splits: Iterator[tuple[str, list[Caption]]]) -> None:
        features: dict[str, torch.Tensor] = {}
        ids: dict[str, list[int]] = {}
        for split, rows in splits:
            texts = [row.caption for row in rows]
            features[split] = encoder.text_features(texts, job.settings["encoder.batch_size"])
            ids[ids_of(split)] = [row.caption_id for row in rows]
        write_store(job.outputs[out], features, ids, job.settings["encoder.dtype"])

    table = CaptionTable(job.input("train"))
    rows = shard_rows(**job.settings["shard"], count=len(table))
    write(0, iter([("train", [table[row] for row in rows])]))
    if len(job.outputs) > 1:
        held_out = ((split, job.input(split)) for split in ("val", "test") if job.inputs.get(split))
        write(1, ((split, list(CaptionTable(path))) for split, path in held_out if path.stat().st_size))
