"""A data set's caption files, as released -> caption tables, one per split, and the table of its test images.

Outputs are those of the splits train, val and test, then the table of images. A format without a split, or without
images, leaves an empty file.
"""

from ..core.artifacts import write_text
from ..core.job import Job
from ..core.settings import section
from ..data.captions import ImageEntry, write_captions, write_images
from ..data.formats import read_splits


def run(job: Job) -> None:
    about = section(job.settings, f"datasets.{job.settings['dataset']}")
    files = {key: job.input(key) for key, paths in job.inputs.items() if paths}
    members = {key.removesuffix(".member"): value for key, value in about.items() if key.endswith(".member")}
    splits = read_splits(about["format"], files, members)
    *tables, images = job.outputs
    for split, out in zip(("train", "val", "test"), tables, strict=True):
        if split in splits:
            write_captions(out, splits[split])
        else:
            write_text(out, "")
    if "test" in splits:
        names = {row.image_id: row.file_name for row in splits["test"]}
        write_images(images, [ImageEntry(image_id, file_name) for image_id, file_name in names.items()])
    else:
        write_text(images, "")
