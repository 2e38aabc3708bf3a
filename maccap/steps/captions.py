"""A data set's caption files, as released -> caption tables, one per split, and the table of its test pictures.

Outputs are `captions.<split>.jsonl` and, for data sets with pictures, `images.jsonl`.
"""

from collections.abc import Iterable
from typing import Any

from ..core.errors import DataError
from ..core.job import Job
from ..core.settings import section
from ..data.captions import Caption, ImageEntry, write_captions, write_images
from ..data.coco import read_coco_captions
from ..data.conceptual import read_conceptual
from ..data.karpathy import read_karpathy


def run(job: Job) -> None:
    name = job.outputs[0].parent.name
    splits = read_splits(job, section(job.cfg, f"datasets.{name}"))
    for out in job.outputs:
        if out.name == "images.jsonl":
            files = {row.image_id: row.file_name for row in splits["test"]}
            write_images(out, [ImageEntry(image_id, file_name) for image_id, file_name in files.items()])
        else:
            write_captions(out, splits[out.name.split(".")[1]])


def read_splits(job: Job, about: dict[str, Any]) -> dict[str, Iterable[Caption]]:
    """{split: its captions} of a data set whose config entry has these keys.

    Raises:
        DataError: a split without captions.
    """
    kind = about["format"]
    if kind == "conceptual":
        return {split: read_conceptual(job.input(split), split) for split in ("train", "val")}
    if kind == "coco":
        return {
            split: read_coco_captions(job.input(split), split, about.get(f"{split}.member"))
            for split in ("train", "val", "test")
        }
    rows = read_karpathy(job.input("captions"), about.get("captions.member"))
    splits = {split: [row for row in rows if row.split == split] for split in ("train", "val", "test")}
    if empty := [split for split, own in splits.items() if not own]:
        raise DataError(f"{job.input('captions')}: no captions of split {empty[0]}; check that this is the right file")
    return dict(splits)
